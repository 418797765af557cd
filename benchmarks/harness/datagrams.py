"""Datagrams of StatsD: made beforehand, and sent at a rate."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERIES = 10_000

_SENDER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
enum { MOST = 1 << 20, BURST = 16 };
static unsigned char *packet[MOST];
static int length[MOST];
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
/* sender FILE PORT PACKETS_A_SECOND PACKETS: the file holds packets, each after its length in two bytes */
int main(int count, char **word) {
    FILE *file = fopen(word[1], "rb");
    fseek(file, 0, SEEK_END);
    long size = ftell(file), known = 0, sent = 0, all = atol(word[4]);
    rewind(file);
    unsigned char *bytes = malloc(size);
    if (count != 5 || fread(bytes, 1, size, file) != (size_t)size) return 2;
    for (long at = 0; at < size && known < MOST; known++) {
        length[known] = bytes[at] | bytes[at + 1] << 8;
        packet[known] = bytes + at + 2;
        at += 2 + length[known];
    }
    double rate = atof(word[3]), begin;
    int to = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(atoi(word[2]))};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(to, (struct sockaddr *)&where, sizeof where)) return 3;
    struct mmsghdr burst[BURST] = {0};
    struct iovec part[BURST];
    begin = now();
    while (sent < all) {
        double ahead = sent / rate - (now() - begin);
        if (ahead > 0) {
            struct timespec nap = {0, 500000};
            if (ahead > 1e-3) nanosleep(&nap, NULL); /* else spin: a nap would be longer */
            continue;
        }
        int these = all - sent < BURST ? all - sent : BURST;
        for (int i = 0; i < these; i++) {
            part[i].iov_base = packet[(sent + i) % known];
            part[i].iov_len = length[(sent + i) % known];
            burst[i].msg_hdr.msg_iov = part + i;
            burst[i].msg_hdr.msg_iovlen = 1;
        }
        int done = sendmmsg(to, burst, these, 0);
        if (done > 0) sent += done;
    }
    printf("%.6f\n", now() - begin);
    return 0;
}
"""


@dataclass(frozen=True, slots=True)
class Packets:
    file: Path
    lines: Sequence[int]
    rows: Sequence[int]
    """For each packet: how many lines it has, and how many rows they should become."""

    @property
    def lines_of_one(self) -> float:
        return sum(self.lines) / len(self.lines)

    def expected(self, packets: int) -> tuple[int, int]:
        """Lines and rows of the first so many, sent round and round."""
        rounds, rest = divmod(packets, len(self.lines))
        return (
            rounds * sum(self.lines) + sum(self.lines[:rest]),
            rounds * sum(self.rows) + sum(self.rows[:rest]),
        )


def metrics(chance: random.Random, *, tags: bool) -> Iterator[tuple[str, int]]:
    """Lines without end, each with the rows it becomes. Without tags their parts are in the name, for Etsy's."""
    series = []
    for number in range(SERIES):
        type_ = chance.choices(["c", "g", "ms", "h", "d", "s"], [40, 22, 20, 8, 9, 1])[0]
        name = f"{chance.choice(['api', 'web', 'db', 'cache', 'auth', 'jobs'])}.{chance.choice(['req', 'lat', 'size'])}"
        where = chance.choice(["live", "test"])
        rates = {"c": ["|@0.1", "", "", "", ""], "ms": ["|@0.5", *[""] * 9]}.get(type_, [""])
        # a name for each type: two types under one name would be refused
        if tags:
            series.append(
                (f"{'set' if type_ == 's' else name}.{type_}", type_, chance.choice(rates), f"|#env:{where},h:{number}")
            )
        else:
            known = type_ if type_ in ("c", "g", "ms", "s") else "ms"
            series.append((f"{name}.{type_}.{where}.{number}", known, chance.choice(rates), ""))
    while True:
        name, type_, rate, tail = chance.choice(series)
        if type_ == "c":
            value = str(chance.choice([1, 1, 1, 1, 2, 5, 10]))
        elif type_ == "g":
            value = f"{chance.uniform(0, 1000):.2f}" if chance.random() < 0.95 else f"+{chance.randint(1, 9)}"
        elif type_ == "s":
            value = f"u{chance.randint(1, 9999)}"
        else:
            value = f"{chance.uniform(0, 500):.3f}"
        yield f"{name}:{value}|{type_}{rate}{tail}", 0 if type_ == "s" else 2 if rate == "|@0.5" else 1


def packed(file: Path, lines: Iterator[tuple[str, int]], count: int, size: int) -> Packets:
    """Packets of at most ``size`` bytes; 0 is one line each."""
    packet: list[bytes] = []
    of_lines, of_rows = [], []
    used = rows = 0
    with file.open("wb") as into:
        for line, becomes in itertools.islice(lines, count):
            text = line.encode()
            if packet and (not size or used + len(text) + 1 > size):
                whole = b"\n".join(packet)
                into.write(struct.pack("<H", len(whole)) + whole)
                of_lines.append(len(packet))
                of_rows.append(rows)
                packet, used, rows = [], 0, 0
            packet.append(text)
            used += len(text) + 1
            rows += becomes
    return Packets(file, of_lines, of_rows)


class Sender:
    """A program in C where there is a compiler, else Python, which sends less; on the first core."""

    def __init__(self, folder: Path) -> None:
        self.words = "a Python program"
        self._program = [sys.executable, "-m", "benchmarks.harness.datagrams"]
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is not None:
            source, made = folder / "sender.c", folder / "sender"
            source.write_text(_SENDER)
            subprocess.run([compiler, "-O2", "-w", "-o", str(made), str(source)], check=True)
            self.words, self._program = "a C program, sendmmsg", [str(made)]

    def send(self, packets: Packets, port: int, rate: float, count: int) -> float:
        """Seconds that it took. ``rate`` in packets a second."""
        told = subprocess.run(
            [*self._program, str(packets.file), str(port), str(rate), str(count)],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=on_first_core,
        )
        return float(told.stdout)


def _send(file: str, port: str, rate: str, count: str) -> None:
    whole = Path(file).read_bytes()
    packets, place = [], 0
    while place < len(whole):
        (length,) = struct.unpack_from("<H", whole, place)
        packets.append(whole[place + 2 : place + 2 + length])
        place += 2 + length
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", int(port)))
    begin = time.monotonic()
    for sent, packet in enumerate(itertools.islice(itertools.cycle(packets), int(count)), 1):
        out.send(packet)
        if sent % 16 == 0:
            time.sleep(max(sent / float(rate) - (time.monotonic() - begin), 0))
    sys.stdout.write(f"{time.monotonic() - begin}\n")


def on_first_core() -> None:
    os.sched_setaffinity(0, {cores()[0]})


def on_last_core() -> None:
    os.sched_setaffinity(0, {cores()[-1]})


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


if __name__ == "__main__":
    _send(*sys.argv[1:])
