"""Lines that were taken in are found by what they say, and by nobody who may not see them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from andon.feedback.telemetry.asking.logs import StoredLogs
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import (
    Cursor,
    LogCount,
    LogLine,
    LogQuery,
    LogSource,
    Severity,
    Template,
    Term,
    TermKind,
)
from andon.feedback.telemetry.contract.metrics import Sight
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore

US = NOW * 1000
ALL = LogQuery(start=US - DAY * 1000, end=US + DAY * 1000)


def put(store: InStore, *lines: LogLine) -> None:
    assert store.writer.take(Batch(way=Way.JSON, logs=lines)).result(30).logs == len(lines)


def said(store: InStore, *bodies: str) -> None:
    put(store, *(LogLine(time=US + place, body=body) for place, body in enumerate(bodies)))


def asking(*terms: Term, at_least: Severity = Severity.UNKNOWN) -> LogQuery:
    return LogQuery(start=ALL.start, end=ALL.end, terms=terms, at_least=at_least)


def found(store: InStore, *terms: Term, sight: Sight = None) -> list[str]:
    lines = StoredLogs(store.engine).search(asking(*terms), sight=sight).lines
    return [line.body for line in reversed(lines)]


def bodies(lines: Sequence[LogLine]) -> list[str]:
    return [line.body for line in lines]


@pytest.mark.parametrize(
    ("kind", "value", "fitting"),
    [
        (TermKind.WORD, "timeout", ["A TimeOut here", "timeout"]),
        (TermKind.WORD, "TIMEOUT", ["A TimeOut here", "timeout"]),
        (TermKind.WORD, "time", []),
        (TermKind.WORD, "user_id", ["user_id=42 100% done\\"]),
        (TermKind.WORD, "größe", ["Die GRÖSSE und die GRÖßE"]),
        (TermKind.WORD, "größ", []),
        (TermKind.PHRASE, "imeout h", ["A TimeOut here"]),
        (TermKind.PHRASE, "USER_ID", ["user_id=42 100% done\\"]),
        (TermKind.PHRASE, "user%42", []),
        (TermKind.PHRASE, "r.id", []),
        (TermKind.PHRASE, "0% d", ["user_id=42 100% done\\"]),
        (TermKind.PHRASE, "done\\", ["user_id=42 100% done\\"]),
        (TermKind.PHRASE, "uß", ["Fuß (a+b)*"]),
        (TermKind.PHRASE, "fuß (A+", ["Fuß (a+b)*"]),
        (TermKind.PHRASE, "two\nlines", ["of two\nlines <b>'\"{v1:String}"]),
        (TermKind.PHRASE, "<b>'\"{v1:string}", ["of two\nlines <b>'\"{v1:String}"]),
        (TermKind.PHRASE, "a", ["A TimeOut here", "Fuß (a+b)*"]),
    ],
)
def test_words_and_phrases_are_found_whatever_their_case_and_mean_nothing_else(
    in_store: InStore, kind: TermKind, value: str, fitting: list[str]
) -> None:
    everything = [
        "A TimeOut here",
        "timeout",
        "timeouts",
        "user_id=42 100% done\\",
        "Die GRÖSSE und die GRÖßE",
        "Fuß (a+b)*",
        "of two\nlines <b>'\"{v1:String}",
    ]
    said(in_store, *everything)
    assert found(in_store, Term(kind, value)) == fitting
    assert found(in_store, Term(kind, value, negated=True)) == [one for one in everything if one not in fitting]


def test_fields_are_compared_as_they_are(in_store: InStore) -> None:
    put(
        in_store,
        LogLine(time=US, body="first", service="shop", fields={"user": "42"}),
        LogLine(time=US + 1, body="second", instance="i-1", fields={"user": "43", "other": "42"}, template=7),
        LogLine(time=US + 2, body="third", source=LogSource.JOB, origin="job:1/a"),
    )

    def of(field: str, value: str, *, negated: bool = False) -> list[str]:
        return found(in_store, Term(TermKind.FIELD, value, field, negated))

    assert of("user", "42") == ["first"]
    assert of("user", "42", negated=True) == ["second", "third"]
    assert of("user", "") == ["third"]
    assert of("service", "shop") == ["first"]
    assert of("instance", "i-1") == ["second"]
    assert of("origin", "job:1/a") == of("source", "job") == ["third"]
    assert of("template", "7") == ["second"]
    assert of("template", "7; DROP TABLE logs") == []
    assert of("body'] = '' OR 1=1 --", "x") == []


def test_every_term_must_fit_and_the_severity(in_store: InStore) -> None:
    for place, severity in enumerate((Severity.DEBUG, Severity.ERROR, Severity.FATAL, Severity.UNKNOWN)):
        put(in_store, LogLine(time=US + place, body=f"order {severity.name}", severity=severity))
    logs = StoredLogs(in_store.engine)
    query = asking(Term(TermKind.WORD, "order"), Term(TermKind.WORD, "fatal", negated=True), at_least=Severity.ERROR)
    assert bodies(logs.search(query, sight=None).lines) == ["order ERROR"]


def test_a_line_comes_back_as_it_was_sent(in_store: InStore) -> None:
    line = LogLine(
        time=US,
        body="<script>alert(1)</script> \x1b[31mred\x00",
        severity=Severity.WARN,
        service="shop",
        environment="production",
        version="abcdef0",
        instance="i-1",
        fields={"user": "42", "ü": "ö"},
        trace="a" * 32,
        span="b" * 16,
        source=LogSource.SYSLOG,
        origin="instance:i-1",
        position=17,
        template=9,
    )
    put(in_store, line)
    assert StoredLogs(in_store.engine).search(ALL, sight=None).lines == (line,)


def test_pages_follow_each_other_without_gap_or_repetition_though_times_are_equal(in_store: InStore) -> None:
    put(in_store, *(LogLine(time=US + place // 7, body=str(place)) for place in range(25)))
    put(in_store, *(LogLine(time=US + place // 7, body=str(place)) for place in range(25, 40)))
    logs, pages = StoredLogs(in_store.engine), list[str]()
    before: Cursor | None = None
    while True:
        page = logs.search(ALL, sight=None, limit=6, before=before)
        pages += bodies(page.lines)
        if page.older is None:
            break
        before = page.older
    assert pages == [str(place) for place in reversed(range(40))]


def test_the_histogram_counts_by_time_and_severity(in_store: InStore) -> None:
    for offset, severity in ((0, Severity.INFO), (5, Severity.INFO), (5, Severity.ERROR), (10, Severity.INFO)):
        put(in_store, LogLine(time=US + offset, body="x", severity=severity))
    query = LogQuery(start=US, end=US + 20)
    assert StoredLogs(in_store.engine).histogram(query, sight=None, buckets=2) == (
        LogCount(time=US, severity=Severity.INFO, lines=2),
        LogCount(time=US, severity=Severity.ERROR, lines=1),
        LogCount(time=US + 10, severity=Severity.INFO, lines=1),
    )


def test_facets_are_the_most_frequent_values(in_store: InStore) -> None:
    for user, service, template in (("a", "shop", 1), ("b", "shop", 2), ("b", "till", 3), ("", "till", 3)):
        put(
            in_store,
            LogLine(time=US, body="x", service=service, fields={"user": user} if user else {}, template=template),
        )
    logs = StoredLogs(in_store.engine)
    assert logs.facets(ALL, "user", sight=None) == {"b": 2, "a": 1}
    assert list(logs.facets(ALL, "user", sight=None, limit=1)) == ["b"]
    assert logs.facets(ALL, "template", sight=None) == {"3": 2, "1": 1, "2": 1}
    assert logs.facets(ALL, "service", sight=frozenset({Service("till")})) == {"till": 2}


def test_around_a_line_is_what_its_instance_said_before_and_after(in_store: InStore) -> None:
    for place in range(10):
        put(
            in_store,
            LogLine(time=US + place, body=f"a{place}", service="shop", instance="a"),
            LogLine(time=US + place, body=f"b{place}", service="shop", instance="b"),
            LogLine(time=US + place, body=f"j{place}", service="shop", origin="job:1"),
        )
    logs = StoredLogs(in_store.engine)
    line = LogLine(time=US + 5, body="a5", service="shop", instance="a")
    assert bodies(logs.around(line, sight=None, lines=2)) == ["a3", "a4", "a5", "a6", "a7"]
    of_job = LogLine(time=US, body="j0", service="shop", origin="job:1")
    assert bodies(logs.around(of_job, sight=None, lines=3)) == ["j0", "j1", "j2", "j3"]
    assert logs.around(line, sight=frozenset()) == ()


def test_whoever_follows_is_told_of_new_lines_and_only_of_those_that_fit(in_store: InStore) -> None:
    said(in_store, "an order before")
    following = StoredLogs(in_store.engine).follow(asking(Term(TermKind.WORD, "order")), sight=None)
    assert next(following) == ()
    said(in_store, "an order", "nothing", "another order")
    put(in_store, LogLine(time=US - 1000, body="a late order"))
    heard: list[str] = []
    while len(heard) < 3:
        heard += bodies(next(following))
    assert heard == ["an order", "another order", "a late order"]
    assert next(following) == ()


def test_more_new_lines_than_fit_in_one_answer_come_in_several(in_store: InStore) -> None:
    following = StoredLogs(in_store.engine).follow(ALL, sight=None)
    assert next(following) == ()
    said(in_store, *(str(number) for number in range(2500)))
    heard: list[str] = []
    while len(heard) < 2500:
        heard += bodies(next(following))
    assert heard == [str(number) for number in range(2500)]


def test_templates_are_counted_among_the_lines_that_fit(in_store: InStore) -> None:
    for version in (1, 2):
        in_store.engine.command(
            "INSERT INTO templates (id, service, text, first_seen, first_version, version) SELECT "
            "number, 'shop', concat('user <*> ', toString(number)), 5, 'abcdef0', {version:UInt64} FROM numbers(4)",
            {"version": version},
        )
    put(in_store, *(LogLine(time=US, body="x", service="shop", template=template) for template in (2, 3, 3, 99)))
    logs = StoredLogs(in_store.engine)
    first, second = logs.templates(ALL, sight=None)
    assert first == Template(id=3, text="user <*> 3", service="shop", first_seen=5, first_version="abcdef0", lines=2)
    assert (second.id, second.lines) == (2, 1)
    assert logs.templates(ALL, sight=frozenset()) == ()


def test_lines_of_services_one_may_not_see_are_in_no_answer(in_store: InStore) -> None:
    for service in ("shop", "till", ""):
        put(in_store, LogLine(time=US, body=f"of {service}", service=service))
    shop = frozenset({Service("shop")})
    assert sorted(found(in_store, sight=shop)) == ["of ", "of shop"]
    assert sorted(found(in_store, Term(TermKind.WORD, "till", negated=True), sight=frozenset())) == ["of "]
    assert sum(one.lines for one in StoredLogs(in_store.engine).histogram(ALL, sight=shop)) == 2


@pytest.mark.parametrize("term", [Term(TermKind.WORD, ""), Term(TermKind.PHRASE, "x" * 2000)])
def test_a_search_for_nothing_or_for_too_much_is_refused(in_store: InStore, term: Term) -> None:
    with pytest.raises(Invalid):
        found(in_store, term)


def test_whoever_follows_is_told_of_new_lines_though_the_clock_was_set_back(
    in_store: InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(in_store, "before")
    day_before = time.time_ns() - 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: day_before)
    next_life = InStore(in_store.engine)
    following = StoredLogs(in_store.engine).follow(asking(), sight=None)
    assert next(following) == ()
    said(next_life, "after")
    assert bodies(next(following)) == ["after"]
    next_life.close()
