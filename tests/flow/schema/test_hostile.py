"""SQL that is meant to break the check, or to get past it."""

from __future__ import annotations

import pytest

from andon.flow.schema import apart
from andon.flow.schema.apart import check_apart
from andon.flow.schema.checking import check
from andon.flow.schema.contract import Dialect, Phase, Report, Rule, Source, Weight

BOTH = pytest.mark.parametrize("dialect", list(Dialect))


def expand(text: str, file: str = "0002.expand.sql") -> Source:
    return Source(file=file, phase=Phase.EXPAND, text=text)


def refused(report: Report) -> set[Rule]:
    return {one.rule for one in report.refused}


@BOTH
def test_an_expression_that_ends_the_parser_ends_a_child_and_is_told(dialect: Dialect) -> None:
    killer = expand("SELECT 1" + "+1" * 150_000 + ";", "0003.expand.sql")
    harmless = expand("CREATE TABLE x (id integer);")
    report = check_apart([harmless, killer], dialect)
    assert {(one.file, one.rule) for one in report.refused} == {("0003.expand.sql", Rule.UNPARSABLE)}


@BOTH
def test_a_large_file_of_many_statements_is_read(dialect: Dialect) -> None:
    rows = "CREATE TABLE x (id integer, a text);\n" + "INSERT INTO x VALUES (1, 'ü''; DROP TABLE y;');\n" * 15_000
    report = check_apart([expand(rows + "DROP TABLE y;")], dialect)
    assert [(one.rule, one.line) for one in report.refused] == [(Rule.DROP, 15_002)]
    assert report.statements == 15_002


@BOTH
@pytest.mark.parametrize("text", ["SELECT 1;" * 20_001, "-- " + "x" * 1_000_001])
def test_what_is_too_large_is_refused_and_not_half_read(dialect: Dialect, text: str) -> None:
    assert refused(check([expand(text)], dialect)) == {Rule.UNPARSABLE}


@BOTH
def test_too_many_files_are_refused(dialect: Dialect) -> None:
    report = check_apart([expand("SELECT 1;", f"{number}.expand.sql") for number in range(2_001)], dialect)
    assert refused(report) == {Rule.UNPARSABLE}


@BOTH
def test_nothing_to_check_is_no_finding(dialect: Dialect) -> None:
    assert check_apart([], dialect) == Report()
    assert check_apart([expand("-- nothing yet\n\n;;\n/* at all */")], dialect).findings == ()


@BOTH
def test_a_comment_accepts_one_rule_of_one_statement_and_gives_the_reason(dialect: Dialect) -> None:
    text = (
        "-- The table was never used.\n-- andon: accept drop: empty since 2019 (Brent)\nDROP TABLE spare;\n"
        "DROP TABLE orders;\n"
    )
    first, second = (one for one in check([expand(text)], dialect).findings if one.rule is Rule.DROP)
    assert (first.line, first.weight, first.reason) == (3, Weight.ACCEPTED, "empty since 2019 (Brent)")
    assert (second.line, second.weight) == (4, Weight.REFUSED)


@BOTH
def test_a_comment_without_a_reason_or_within_a_text_accepts_nothing(dialect: Dialect) -> None:
    for text in (
        "-- andon: accept drop\nDROP TABLE spare;",
        "SELECT '\n-- andon: accept drop: no\n';DROP TABLE spare;",
        "/* -- andon: accept drop: no */ DROP TABLE spare;",
        "-- andon: accept rename: no\nDROP TABLE spare;",
    ):
        assert refused(check([expand(text)], dialect)) == {Rule.DROP}, text


def test_no_comment_lets_a_program_run() -> None:
    text = "-- andon: accept outside: please\nCOPY orders TO PROGRAM 'sh';"
    assert refused(check([expand(text)], Dialect.POSTGRESQL)) == {Rule.OUTSIDE}


@BOTH
def test_a_table_is_new_only_in_the_file_that_makes_it(dialect: Dialect) -> None:
    files = [expand("CREATE TABLE x (id integer);", "1.expand.sql"), expand("DROP TABLE x;", "2.expand.sql")]
    assert [one.file for one in check(files, dialect).refused] == ["2.expand.sql"]


@BOTH
def test_lines_are_right_behind_letters_of_several_bytes(dialect: Dialect) -> None:
    text = "-- Überschrift „ß“\nCREATE TABLE x (a text DEFAULT 'ä\nö');\n\n  /* 🙂\n */ DROP TABLE y;"
    assert [one.line for one in check([expand(text)], dialect).refused] == [6]


def test_what_a_dollar_quote_holds_is_text() -> None:
    text = (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $a$ BEGIN DROP TABLE x; -- $b$ ;\n END $a$;DROP TABLE y;"
    )
    found = check([expand(text)], Dialect.POSTGRESQL).refused
    assert [(one.rule, one.line, one.statement) for one in found] == [(Rule.DROP, 2, "DROP TABLE y")]


def test_the_file_that_ended_a_parser_is_not_looked_for_without_end() -> None:
    # each file for itself would have the time of all: twenty of them, a worker's thread for twenty minutes
    files = [expand("SELECT 1;", f"{number}.expand.sql") for number in range(3)]
    report = apart._blamed(files, files, Dialect.POSTGRESQL, 0.0)
    assert {one.file for one in report.refused} == {one.file for one in files}
    assert all("could not be found" in one.breaks for one in report.refused)
