"""Writing and reading a log: bounds, crashes, hostile output."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.kernel.logs.layout import MAX_LINE
from andon.kernel.logs.reader import LineKind, LogPage, LogReader, looks_like_error
from andon.kernel.logs.writer import LogWriter, pump

SOURCES = Path(__file__).parents[3] / "src"
KIB = 1024


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


def everything(folder: Path) -> list[str]:
    reader = LogReader(folder)
    found: list[str] = []
    number = 0
    while (page := reader.lines(number)).lines:
        found += texts(page)
        number = page.next
    return found


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_lines_come_back_with_their_numbers_and_times(tmp_path: Path) -> None:
    clock = Clock()
    writer = LogWriter(tmp_path / "log", clock=clock)
    writer.write(b"one\ntwo\nthr")
    clock.now = 1001.5
    writer.write(b"ee\nfour\n")
    page = LogReader(tmp_path / "log").lines()
    assert [(line.number, line.at_ms, line.text) for line in page.lines] == [
        (0, 1000000, "one"),
        (1, 1000000, "two"),
        (2, 1000000, "three"),  # when it began
        (3, 1001500, "four"),
    ]
    assert (page.next, page.total, page.dropped, page.complete) == (4, 4, 0, False)
    writer.close()
    assert LogReader(tmp_path / "log").lines(4).complete


def test_an_unfinished_line_is_shown_when_it_is_finished(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    reader = LogReader(tmp_path)
    writer.write(b"Continue? [y/n] ")
    assert reader.lines().lines == ()
    writer.write(b"y\n")
    assert texts(reader.lines()) == ["Continue? [y/n] y"]
    writer.write(b"bye")
    writer.close()
    assert texts(reader.lines(1)) == ["bye"]


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "none")
    assert reader.lines() == LogPage((), 0, 0, 0, False)
    assert reader.tail().lines == ()
    assert reader.first_error() is None
    assert reader.sections() == ()


def test_an_empty_log_can_be_closed(tmp_path: Path) -> None:
    LogWriter(tmp_path).close()
    assert LogReader(tmp_path).lines() == LogPage((), 0, 0, 0, True)


def test_gigabytes_are_bounded_and_head_and_tail_are_kept(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, head=256 * KIB, tail=256 * KIB, segment=32 * KIB)
    block = b"".join(b"line %07d of the flood\n" % number for number in range(3000))
    lines = 0
    for _ in range(1500):  # 115 MB
        writer.write(block)
        lines += 3000
    writer.write(b"the last words\n")
    writer.close()
    reader = LogReader(tmp_path)
    first = reader.lines(0, 2)
    assert texts(first) == ["line 0000000 of the flood", "line 0000001 of the flood"]
    assert first.total == lines + 1
    assert first.dropped > lines * 0.99
    assert texts(reader.tail(1)) == ["the last words"]
    assert size(tmp_path) < 600 * KIB
    # the gap is one line, and reading on from it leads to the tail
    number, seen, gaps = 0, 0, []
    while (page := reader.lines(number, 5000)).lines:
        for line in page.lines:
            assert line.number >= number
            if line.kind is LineKind.DROPPED:
                gaps.append(line)
            else:
                seen += 1
                number = line.number
        number = page.next
    assert len(gaps) == 1
    assert f"{first.dropped:,} lines" in gaps[0].text
    assert "MB" in gaps[0].text
    assert seen + first.dropped == first.total
    middle = reader.lines(first.total // 2, 2).lines
    assert [line.kind for line in middle] == [LineKind.DROPPED, LineKind.TEXT]


def test_a_line_without_end_is_split_and_bounded(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, head=512 * KIB, tail=512 * KIB, segment=128 * KIB)
    chunk = b"x" * 65536
    for _ in range(1600):  # 100 MB
        writer.write(chunk)
    writer.write(b"end\n")
    writer.close()
    reader = LogReader(tmp_path)
    page = reader.lines(0, 3)
    assert [len(line.text) for line in page.lines] == [MAX_LINE] * 3
    assert [line.kind for line in page.lines] == [LineKind.TEXT, LineKind.CONTINUED, LineKind.CONTINUED]
    assert page.total == 1601
    assert texts(reader.tail(1)) == ["end"]
    assert sum(len(line.text) for line in reader.tail(4).lines) <= 4 * MAX_LINE


def test_a_line_without_end_stays_one_line_however_slowly_it_comes(tmp_path: Path) -> None:
    moments = itertools.count(1000)  # every look at the clock is another second
    writer = LogWriter(tmp_path, segment=128 * KIB, clock=lambda: next(moments))
    for _ in range(5):
        writer.write(b"x" * MAX_LINE)
    writer.write(b"end\nnext\n")
    writer.close()
    kinds = [line.kind for line in LogReader(tmp_path).lines().lines]
    assert kinds == [LineKind.TEXT, *[LineKind.CONTINUED] * 5, LineKind.TEXT]


def test_binary_output_is_kept_and_readable(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    writer.write(bytes(range(256)) + b"\n\xff\xfe\n\x00\n")
    writer.close()
    page = LogReader(tmp_path).lines()
    assert page.total == 4  # one of the 256 is a line end
    assert page.lines[2].text == "\ufffd\ufffd"
    assert page.lines[3].text == "\0"
    closed = next(tmp_path.glob("*.gz"))
    assert zlib.decompress(closed.read_bytes(), 31) == bytes(range(256)) + b"\n\xff\xfe\n\x00\n"


def killed(writer: LogWriter) -> None:
    """What the kernel does for a process that ends without a word: its files are closed as they are."""
    for handle in (writer._data, writer._index):
        os.close(handle)


@settings(max_examples=150, deadline=None)
@given(
    chunks=st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b"\n", b"a\n" * 40, b"y" * 70000]), st.just(None))
    ),
    segment=st.integers(1, 300),
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes | None], segment: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer = LogWriter(folder, segment=segment)
    expected = b""
    for chunk in chunks:
        if chunk is None:  # the writer is killed and another one goes on
            if expected and not expected.endswith(b"\n"):
                expected += b"\n"
            killed(writer)
            writer = LogWriter(folder, segment=segment)
        else:
            writer.write(chunk)
            expected += chunk
    writer.close()
    parts: list[str] = []
    for line in expected.split(b"\n")[: None if not expected.endswith(b"\n") and expected else -1]:
        parts += [line[at : at + MAX_LINE].decode("utf-8", "replace") for at in range(0, max(1, len(line)), MAX_LINE)]
    assert everything(folder) == parts
    total = LogReader(folder).lines().total
    assert total == len(parts)
    for start in (0, total // 2, total - 1):
        if start >= 0:
            assert texts(LogReader(folder).lines(start, 3)) == parts[start : start + 3]


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=200), mark=st.binary(max_size=16))
def test_damaged_files_do_not_stop_a_writer(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, mark: bytes
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer = LogWriter(folder)
    writer.write(b"before\n")
    killed(writer)
    with next(folder.glob("*.log")).open("ab") as file:
        file.write(noise)
    with next(folder.glob("*.idx")).open("ab") as file:
        file.write(mark)  # a record cut short
    (folder / "sections").write_bytes(b'{"line": 0, "at_ms": 1, "name": "a"}\n{"line": ')
    again = LogWriter(folder)
    again.write(b"after\n")
    again.close()
    found = everything(folder)
    assert found[0] == "before"
    assert found[-1] == "after"
    assert [section.name for section in LogReader(folder).sections()] == ["a"]


def test_a_killed_writer_is_continued_after_its_last_words(tmp_path: Path) -> None:
    program = """
        import os, sys
        from andon.kernel.logs.writer import LogWriter
        writer = LogWriter(sys.argv[1], segment=1000)
        for number in range(500):
            writer.write(b"line %d\\n" % number)
        writer.write(b"half a li")
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        check=False,
    )
    assert done.returncode == -9
    writer = LogWriter(tmp_path, segment=1000)
    writer.write(b"next life\n")
    writer.close()
    assert everything(tmp_path) == [*(f"line {number}" for number in range(500)), "half a li", "next life"]


def test_a_crash_between_compressing_and_deleting_shows_nothing_twice(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment=100)
    writer.write(b"a" * 99 + b"\n")  # rolls
    writer.write(b"b\n")
    closed = next(tmp_path.glob("*.gz"))
    left = tmp_path / ("-".join(closed.name.split("-")[:3]) + ".log")
    left.write_bytes(b"a" * 99 + b"\n")
    assert LogReader(tmp_path).lines().total == 2
    LogWriter(tmp_path).close()
    assert not left.exists()
    assert everything(tmp_path) == ["a" * 99, "b"]


@settings(max_examples=100, deadline=None)
@given(
    secrets=st.lists(st.text("abc", min_size=4, max_size=9), min_size=1, max_size=3),
    text=st.text("abc\n", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_a_secret_is_masked_wherever_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory, secrets: list[str], text: str, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer = LogWriter(folder, mask=[secret.encode() for secret in secrets])
    at = 0
    for cut in [*sorted(cuts), len(text)]:
        writer.write(text[at:cut].encode())
        at = max(at, cut)
    writer.close()
    found = "\n".join(everything(folder))
    for secret in secrets:
        assert secret not in found
    if not any(secret in text for secret in secrets):
        assert found.rstrip("\n") == text.rstrip("\n")


def test_every_line_of_a_key_is_masked(tmp_path: Path) -> None:
    key = b"-----BEGIN KEY-----\nMIIEowIBAAK\nCAQEAr9\n-----END KEY-----\n"
    writer = LogWriter(tmp_path, mask=[key, b"ab"])
    for byte in b"x" + key + b"ab\n":
        writer.write(bytes([byte]))
    writer.close()
    assert everything(tmp_path) == ["x***", "***", "***", "***", "ab"]
    assert b"MIIE" not in zlib.decompress(next(tmp_path.glob("*.gz")).read_bytes(), 31)


def test_sections_are_remembered(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    writer.write(b"before\nunfinished")
    writer.section("Build")
    writer.write(b"compiling\n")
    writer.section("Test")
    writer.write(b"testing\n")
    writer.close()
    reader = LogReader(tmp_path)
    assert [(line.text, line.section) for line in reader.lines().lines] == [
        ("before", None),
        ("unfinished", None),
        ("compiling", "Build"),
        ("testing", "Test"),
    ]
    assert [(section.name, section.first_line) for section in reader.sections()] == [("Build", 2), ("Test", 3)]


def test_following_sees_every_line_once_and_ends_with_the_log(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment=500)

    def write() -> None:
        for number in range(2000):
            writer.write(b"line %d\n" % number)
        writer.close()

    thread = threading.Thread(target=write)
    found = LogReader(tmp_path).follow(every=0.001)
    thread.start()
    lines = [line.text for line in found]
    thread.join()
    assert lines == [f"line {number}" for number in range(2000)]


def test_following_can_be_stopped(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    writer.write(b"one\n")
    seen: list[str] = []
    asked = iter([False, False, False, True])
    for line in LogReader(tmp_path).follow(stop=lambda: next(asked), every=0):
        seen.append(line.text)
    assert seen == ["one"]


def test_search_finds_text_whatever_its_case_and_colour(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment=200)
    for number in range(100):
        writer.write(b"nothing of note %d\n" % number)
    writer.write(b"the \x1b[31mNEE\x1b[0mDLE is here\n")
    for _ in range(100):
        writer.write(b"hay\n")
    writer.write("Straße needle\n".encode())
    writer.close()
    reader = LogReader(tmp_path)
    assert [line.number for line in reader.search("needle")] == [100, 201]
    assert [line.number for line in reader.search("needle", limit=1)] == [100]
    assert [line.number for line in reader.search("needle", start=101)] == [201]
    assert [line.number for line in reader.search("STRASSE")] == []
    assert [line.number for line in reader.search("straße")] == [201]
    assert reader.search("") == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ERROR: it broke", True),
        ("Traceback (most recent call last):", True),
        ("FAILED tests/test_a.py::test_b - assert 1 == 2", True),
        ("sh: 1: foo: command not found", True),
        ("\x1b[31mValueError: no\x1b[0m", True),
        ("0 errors, 3 warnings", False),
        ("no errors found", False),
        ("12 passed, 0 failed", False),
        ("0 errors, 2 failures", True),
        ("compiling errorhandler.c", False),
        ("all is well", False),
    ],
)
def test_lines_that_look_like_errors(line: str, expected: bool) -> None:
    assert looks_like_error(line) is expected


def test_the_first_error_is_found_far_into_a_log(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment=4096)
    for number in range(3000):
        writer.write(b"0 errors so far (%d)\n" % number)
    writer.write(b"fatal: the disk is gone\nerror: again\n")
    assert LogReader(tmp_path).first_error() == 3000


def test_a_full_disk_loses_lines_but_not_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource  # noqa: PLC0415 (a file size limit stands in for the full disk)
    import signal  # noqa: PLC0415 (as above)

    writer = LogWriter(tmp_path)
    writer.write(b"before\n")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            writer.write(b"lost " * 100 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    writer.write(b"after\n")
    writer.close()
    assert everything(tmp_path) == ["before", "after"]


def test_a_pipe_is_pumped_to_its_end(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    with subprocess.Popen(["sh", "-c", "seq 1 100000"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        count = pump(process.stdout.fileno(), writer)
    writer.close()
    assert count == 588895
    assert texts(LogReader(tmp_path).tail(2)) == ["99999", "100000"]


def test_a_log_is_for_its_owner_only(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", segment=10)
    writer.section("x")
    writer.write(b"0123456789\n0\n")
    writer.close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "log").iterdir()} == {0o600}
