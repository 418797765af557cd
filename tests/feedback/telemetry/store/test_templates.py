"""Lines that say the same with other values are of one template, and lines that are counted become a metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine, Severity
from andon.feedback.telemetry.contract.searching import Matching, parse, written
from andon.feedback.telemetry.store import templates as templates_of
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.counting import Counted, LineCounter
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.templates import (
    MOST_ALIKE,
    MOST_SERVICES,
    MOST_TEMPLATES,
    VALUE,
    Templates,
    masked,
)
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.kernel.errors import Invalid, Unavailable


def line(body: str, service: str = "shop", **more: str) -> LogLine:
    return LogLine(time=1, body=body, service=service, fields=more)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user 42 signed in from 10.0.0.7", "user 7 signed in from 192.168.1.1"),
        ("GET /basket/17?page=2 200 in 3.5ms", "GET /basket/9 500 in 120ms"),
        ("took -3.5 s", "took 12 s"),
        ("id 3f2c91a0-1111-2222-3333-444455556666 gone", "id 9f2c91a0-aaaa-2222-3333-444455556666 gone"),
        ("commit 3f2c91a deployed", "commit 0b7d4e1 deployed"),
        ("cannot read 'a b c'", 'cannot read "x"'),
        ("2026-11-23T05:00:00Z started", "2026-11-24T06:01:02.5+01:00 started"),
        ("GET done status=200 took=3ms", "GET done status=404 took=12s"),
        ("read config:/etc/a.conf", "read config:/var/b.conf"),
        ("mail to phil@example.org failed", "mail to maxine+parts@example.com failed"),
        ("\x1b[31mfailed\x1b[0m 3 times", "\x1b[32mfailed\x1b[0m 9 times"),
        ("order of phil accepted by the warehouse", "order of maxine accepted by the warehouse"),
    ],
)
def test_two_lines_that_differ_in_values_are_one_sentence(one: str, other: str) -> None:
    ids, new = Templates().assign([line(one), line(other)])
    assert ids[0] == ids[1]
    assert len(new) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("user signed in", "user signed out of everything"), ("started", "stopped"), ("a b c", "a b c d")],
)
def test_two_that_say_something_else_are_two(one: str, other: str) -> None:
    ids, new = Templates().assign([line(one), line(other)])
    assert ids[0] != ids[1]
    assert [told.text for told in new] == [one, other]


def test_a_sentence_keeps_its_id_over_a_new_beginning() -> None:
    first = Templates()
    ids, new = first.assign([line("user 1 signed in"), line("basket of phil emptied by maxine")])
    again, none = Templates(new).assign([line("user 2 signed in"), line("basket of brent emptied by maxine")])
    assert (again, none) == (ids, [])


def test_a_service_whose_lines_follow_no_pattern_takes_no_more_room_than_others() -> None:
    templates = Templates()
    words = [f"{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}{chr(97 + number // 676)}" for number in range(4000)]
    ids, new = templates.assign([line(f"{word} {word}s") for word in words])
    assert len(new) == MOST_TEMPLATES + 1
    assert len(set(ids)) == MOST_TEMPLATES + 1


def test_lines_that_begin_alike_and_have_nothing_else_in_common_are_not_compared_without_end() -> None:
    words = [f"{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}{chr(97 + number // 676)}" for number in range(900)]
    ids, new = Templates().assign([line(f"start {word} {word}x {word}y") for word in words])
    assert len(set(ids)) == len(new) == MOST_ALIKE + 1


def test_more_services_than_there_can_be_share_what_has_no_pattern() -> None:
    lines = [line("it began well", f"s{number}") for number in range(MOST_SERVICES + 10)]
    _, new = Templates().assign(lines)
    assert sum(one.text == "it began well" for one in new) == MOST_SERVICES
    assert {one.text for one in new} == {"it began well", VALUE}


def test_a_line_of_a_megabyte_is_looked_at_no_further_than_its_beginning() -> None:
    assert len(masked("x " * 500_000)) <= 400


@pytest.mark.parametrize(
    ("query", "fits", "not_"),
    [
        ("refused", ["payment Refused", "refused: no"], ["unrefused", "refusedly"]),
        ('"payment ref"', ["PAYMENT REFused"], ["payment  refused"]),
        ("payment -test", ["payment taken"], ["payment test"]),
        ("-test", ["payment"], ["a test"]),
        ("10.0.0.7", ["from 10.0.0.7 x"], ["10 0 0 7"]),
        ('"say \\"hi\\""', ['they say "hi" there'], ["say hi"]),
    ],
)
def test_a_search_finds_what_it_says(query: str, fits: list[str], not_: list[str]) -> None:
    matching = Matching(parse(query))
    assert [matching.fits(line(body)) for body in fits] == [True] * len(fits)
    assert [matching.fits(line(body)) for body in not_] == [False] * len(not_)


def test_a_search_asks_for_fields_and_for_severity() -> None:
    matching = Matching(parse('user:42 -service:till path:"/a b"'), Severity.WARN)
    good = LogLine(time=1, body="x", severity=Severity.ERROR, service="shop", fields={"user": "42", "path": "/a b"})
    assert matching.fits(good)
    assert not matching.fits(LogLine(time=1, body="x", service="shop", fields=good.fields))
    assert not Matching(parse("user:4")).fits(good)


@pytest.mark.parametrize("text", ["a", '-"a b" c', 'user:42 -path:"/a \\"b\\"" x-y', '"\\\\"', "http.status:500"])
def test_a_search_is_written_as_it_is_read(text: str) -> None:
    terms = parse(text)
    assert parse(written(terms)) == terms


@pytest.mark.parametrize("text", ['"open', 'a "b"c', "x " * 31, "y" * 1001])
def test_a_search_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_counted_lines_are_a_metric_beside_the_lines(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    counted = (Counted(service="shop", metric="payment.refused", query="refused -test"),)
    tables = Tables(engine, lambda: 1_790_000_000_000)
    book = Book(limit=100, total=1000)
    disk = DiskWatch(tmp_path_factory.mktemp("disk"), 0)
    writer = Writer(tables, book, Drops(), disk, counter=LineCounter(lambda: counted), gather=0.01)
    writer.start()
    lines = [line("payment refused"), line("payment refused", "till"), line("refused in a test"), line("refused")]
    told = writer.take(Batch(way=Way.ANDON, logs=lines, token="instance:1/0-4"))
    assert (told.result(30).logs, told.result(30).samples) == (4, 0)
    writer.take(Batch(way=Way.ANDON, logs=lines, token="instance:1/0-4")).result(30)
    writer.stop()
    assert engine.rows("SELECT name, path, service, kind FROM series") == [
        ("payment_refused", "payment.refused", "shop", "delta")
    ]
    assert engine.rows("SELECT sum(value) FROM samples") == [(2.0,)]
    assert engine.rows("SELECT count(), uniqExact(template) FROM logs") == [(4, 4)]
    assert sorted(told.text for told in tables.templates()) == [
        "payment refused",
        "payment refused",
        "refused",
        "refused in a test",
    ]


def test_lines_are_stored_only_if_what_counts_them_is(engine: Engine, tmp_path: Path) -> None:
    counted = (Counted(service="shop", metric="payment.refused", query="refused"),)
    tables = Tables(engine, lambda: 1_790_000_000_000)
    disk = DiskWatch(tmp_path, 0)
    writer = Writer(tables, Book(limit=9, total=9), Drops(), disk, counter=LineCounter(lambda: counted), gather=0)
    writer.start()
    lines = Batch(way=Way.ANDON, logs=[line("payment refused")])
    engine.command("RENAME TABLE samples TO elsewhere")
    with pytest.raises(Unavailable):
        writer.take(lines).result(30)
    assert engine.rows("SELECT count() FROM logs") == [(0,)]
    engine.command("RENAME TABLE elsewhere TO samples")
    writer.take(lines).result(30)
    writer.stop()
    assert engine.rows("SELECT (SELECT sum(value) FROM samples), (SELECT count() FROM logs)") == [(1.0, 1)]


def test_sentences_that_each_begin_with_another_word_take_no_room_once_there_are_many() -> None:
    templates = Templates()
    words = ["".join(chr(97 + number // 26**place % 26) for place in range(4)) for number in range(4000)]
    templates.assign([line(f"{word} {word}s") for word in words])
    (shop,) = templates._services.values()
    assert len(shop.groups) == MOST_TEMPLATES


def test_all_services_together_remember_so_many_sentences_and_the_one_with_the_most_forgets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(templates_of, "MOST_MASKS_TOGETHER", 100)
    templates = Templates()
    first, _ = templates.assign([line("basket emptied", "till")])
    words = ["".join(chr(97 + number // 26**place % 26) for place in range(3)) for number in range(1000)]
    templates.assign([line(f"{word} {word}s") for word in words])
    remembered = {name: len(service.masks) for name, service in templates._services.items()}
    assert remembered["till"] == 1
    assert 40 < remembered["shop"] < 100
    assert templates.assign([line("basket emptied", "till"), line(f"{words[0]} {words[0]}s")])[1] == []
    assert templates.assign([line("basket emptied", "till")]) == (first, [])
