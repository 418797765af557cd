"""The loader against bytes that mean harm."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from andon.flow.definition.contract import DefinitionInvalid
from andon.flow.definition.document import MAX_BYTES, ScalarType, scalar_type
from andon.flow.definition.reader import YamlDefinitionReader

READER = YamlDefinitionReader()


def first(data: bytes) -> tuple[int, int, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        READER.read(data)
    fault = caught.value.faults[0]
    return fault.line, fault.column, fault.message


def test_what_is_not_utf8_is_refused_at_its_byte() -> None:
    assert first(b"stages:\n  caf\xe9: 1") == (2, 6, "byte 0xe9 is not UTF-8")
    assert first("stages: {}".encode("utf-16")) == (1, 1, "byte 0xff is not UTF-8")


def test_a_byte_order_mark_in_front_is_no_matter() -> None:
    text = "\ufeffstages: {a: {jobs: {x: {run: y}}}}"
    assert READER.read(text.encode()).stages[0].name == "a"


def test_control_characters_are_refused_where_they_stand() -> None:
    assert first(b"stages:\n a: \x1b[2J") == (2, 5, "the control character U+001B stands here")
    assert first(b"\0") == (1, 1, "the control character U+0000 stands here")


def test_lines_are_counted_as_editors_do() -> None:
    assert first(b"stages:\r\n a:\r\n  jobs: 1\r\n")[:2] == (3, 9)
    assert first("# \u2028 \x85\nzzz: 1".encode())[:2] == (2, 1)


def test_a_file_too_large_is_not_looked_at() -> None:
    assert first(b"#" * (MAX_BYTES + 1))[2] == f"the file has {MAX_BYTES + 1:,} bytes"


def test_aliases_cannot_multiply_beyond_the_bound() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    assert first("\n".join(lines).encode())[2] == "the file has more than 20,000 values"


# Each took a parser of this kind into the seconds, or the stack to its end, at some time.
HEAVY = {
    "open lists": b"[" * (MAX_BYTES - 1),
    "open mappings": b"{a: " * (MAX_BYTES // 4),
    "dashes": b"- " * (MAX_BYTES // 2),
    "question marks": b"? " * (MAX_BYTES // 2),
    "many keys": b"".join(b"k%d:\n" % number for number in range(30_000)),
    "one key over and over": b"a: b\n" * (MAX_BYTES // 5),
    "line feeds": b"\n" * MAX_BYTES,
    "quotes": b"'" * MAX_BYTES,
    "escapes": b'a: "' + b"\\n" * 130_000 + b'"',
    "spaces": b"a:" + b" " * 262_000,
    "one long word": b"a: " + b"x" * 260_000,
    "anchors": b"".join(b"- &a%d x\n" % number for number in range(20_000)),
    "white command": b"stages: {a: {jobs: {x: {run: '" + b" " * 200_000 + b"'}}}}",
    "endless digits": b"stages: {a: {jobs: {x: {run: y, processes: " + b"9" * 200_000 + b"}}}}",
    "long unknown key": b"'" + b"k" * 200_000 + b"': 1",
    "dots in a path": b"stages: {a: {jobs: {x: {run: y, caches: ['" + b"../" * 60_000 + b"']}}}}",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", HEAVY)
def test_heavy_files_are_refused_in_bounded_time(what: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        READER.read(HEAVY[what])
    assert len(str(caught.value)) < 100_000


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        *[
            (one, ScalarType.TEXT)
            for one in ("yes", "no", "on", "off", "1_000", "1:30", "0777x", "<<", "=", "2026-11-22")
        ],
        *[(one, ScalarType.INTEGER) for one in ("0", "-1", "+12", "0o17", "0x1F", "007")],
        *[(one, ScalarType.FLOAT) for one in ("1.", ".5", "-1e3", "6.02e+23", ".inf", "-.INF", ".nan")],
        *[(one, ScalarType.BOOLEAN) for one in ("true", "False", "TRUE")],
        *[(one, ScalarType.NULL) for one in ("", "~", "null", "Null")],
    ],
)
def test_plain_values_follow_the_core_schema(text: str, type_: ScalarType) -> None:
    assert scalar_type(text) is type_


PIECES = st.sampled_from(
    [
        *[
            "stages",
            "jobs",
            "run",
            "needs",
            "env",
            "services",
            "package",
            "environments",
            "commit",
            "files",
            "production",
        ],
        *[
            ":",
            ": ",
            "- ",
            "? ",
            "\n",
            "\n  ",
            "\n    ",
            "{",
            "}",
            "[",
            "]",
            ",",
            " ",
            "\t",
            "#",
            "&a ",
            "*a",
            "!!str ",
            "!",
        ],
        *[
            "'",
            '"',
            "|",
            ">",
            "|+2\n",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "%TAG ! x\n",
            "<<",
            "~",
            "1.5",
            "yes",
            "0x",
            "\\",
        ],
        *[
            '"\\UFFFFFFFF"',
            '"\\ud800"',
            '"\\x',
            "\ufeff",
            "\x85",
            "\u2028",
            "\r",
            "\x00",
            "🏭",
            "10m",
            "../",
            "@",
            "`",
            "%",
        ],
    ]
)


def only_definition_invalid(data: bytes) -> None:
    """Whatever else is raised fails the test by itself."""
    try:
        READER.read(data)
    except DefinitionInvalid as invalid:
        faults, printed = invalid.faults, str(invalid)
    else:
        return
    lines = data.count(b"\n") + data.count(b"\r") + 1
    assert faults
    assert printed
    assert all(1 <= fault.line <= lines and fault.column >= 1 for fault in faults)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
@example(b'"\\UFFFFFFFF"')
def test_any_bytes_at_all(data: bytes) -> None:
    only_definition_invalid(data)


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join))
@example("%YAML 1.1 1\n---")
@example("%TAG\n---")
@example("? \n- a\n: b")
def test_almost_yaml(text: str) -> None:
    only_definition_invalid(text.encode())
