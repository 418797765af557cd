from __future__ import annotations

import pytest

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.parsing import first_path, parse
from andon.feedback.graphite.syntax import Call, Constant, Path


def test_a_call_has_positional_and_then_named_arguments() -> None:
    assert parse("summarize(a.b, '1h', func=\"max\", alignToFrom=true)") == Call(
        "summarize",
        (Path("a.b"), Constant("1h")),
        (("func", Constant("max")), ("alignToFrom", Constant(True))),
        "summarize(a.b, '1h', func=\"max\", alignToFrom=true)",
    )


def test_a_pipe_puts_what_is_left_of_it_into_the_first_argument() -> None:
    found = parse("a.b | scale(2) | alias('x')")
    assert isinstance(found, Call)
    assert found.function == "alias"
    assert found.arguments[1] == Constant("x")
    inner = found.arguments[0]
    assert isinstance(inner, Call)
    assert inner.arguments == (Path("a.b"), Constant(2))


@pytest.mark.parametrize(
    "path",
    ["a.*.b", "a.{b,c}.d", "a.b[0-9].c?", "1.2.3", "true.story", "a.b-c_d:e", "x;host=a", "a.%count", "café.crème"],
)
def test_paths_may_have_what_graphite_lets_them_have(path: str) -> None:
    assert parse(path) == Path(path)
    assert parse(f"f({path})") == Call("f", (Path(path),), (), f"f({path})")


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("-2", -2), ("1.5", 1.5), ("1e-3", 0.001), ("None", None), ("inf", float("inf"))]
)
def test_numbers_and_words_are_values(text: str, value: float | None) -> None:
    found = parse(f"f(a,{text})")
    assert isinstance(found, Call)
    assert found.arguments[1] == Constant(value)


@pytest.mark.parametrize(
    "text", ["", "f(", "f(a", "f(a,)", "f(a))", "f(a,'b)", "f(b=1,a)", "a b", "f(a;;", "|f()", "a|b"]
)
def test_what_is_no_target_is_refused_with_the_place(text: str) -> None:
    if text == "f(a;;":
        text = "f(a;;,"
    with pytest.raises(BadTarget, match="character"):
        parse(text)


def test_depth_length_and_arguments_are_bounded() -> None:
    for text in ("f(" * 5_000 + "a" + ")" * 5_000, "a" * 20_000, f"f({','.join('a' * 2_000)})", "a" + "|f()" * 3_000):
        with pytest.raises(BadTarget):
            parse(text)


def test_the_first_path_is_found_within_the_name_of_a_series() -> None:
    assert first_path('movingAverage(scale(a.b.c,10),"1min")') == "a.b.c"
    assert first_path("my (own) name") is None
