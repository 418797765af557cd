"""Which paths a pattern means."""

from __future__ import annotations

import pytest

from andon.kernel.globs import Globs


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("store/**", "store/a/b", True),
        ("store/**", "store", False),
        ("store/", "store/a/b", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/b", "a/b", True),
        ("a/**/**/b", "a/x/y/b", True),
        ("*.xml", "a/b.xml", False),
        ("?.xml", "/.xml", False),
        ("[!a].x", "b.x", True),
        ("./a", "a", True),
        ("a*", "a\nb", True),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert Globs([pattern]).match(path) is matches


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not Globs(["/".join(["**", "a*a*a*a*b"] * 50)]).match("/".join(["a" * 200] * 100))
