"""What comes before a push's pack, in pieces of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.flow.sources.adapters.prelude import NotLines, Prelude, TooManyMoves, refusal

MOST_LINES, MOST_BYTES = 40, 150_000
MOVE = b"0" * 40 + b" " + b"1" * 40 + b" refs/tags/v"
ASKS = MOVE + b"\0 report-status side-band-64k push-options"


def line(content: bytes) -> bytes:
    return b"%04x%s" % (len(content) + 4, content)


def taken(body: bytes, sizes: list[int]) -> Prelude | type[Exception]:
    prelude = Prelude()
    begin = 0
    try:
        while begin < len(body):
            size = sizes[begin % len(sizes)]
            prelude.take(body[begin : begin + size])
            begin += size
    except (TooManyMoves, NotLines) as error:
        return type(error)
    return prelude


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=9), pack=st.binary(max_size=80))
def test_the_pack_begins_after_the_list_however_it_is_cut(sizes: list[int], pack: bytes) -> None:
    plain = taken(line(MOVE) * 3 + b"0000PACK" + pack, sizes)
    assert isinstance(plain, Prelude)
    assert (plain.over, plain.side_band) == (True, False)
    open_ended = taken(line(ASKS) + line(MOVE) + b"0000" + line(b"follow"), sizes)
    assert isinstance(open_ended, Prelude)
    assert (open_ended.over, open_ended.side_band) == (False, True), "options follow, and have not ended"
    with_options = taken(line(ASKS) + b"0000" + line(b"follow") + b"0000PACK" + pack, sizes)
    assert isinstance(with_options, Prelude)
    assert with_options.over


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_lines_and_bytes_are_counted_however_they_are_cut(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.flow.sources.adapters.prelude.MOST_LINES", MOST_LINES)
    monkeypatch.setattr("andon.flow.sources.adapters.prelude.MOST_BYTES", MOST_BYTES)
    # moves, their end, an option and its end: as many lines as there may be
    at_most = line(ASKS) + line(MOVE) * (MOST_LINES - 4) + b"0000" + line(b"follow") + b"0000"
    fits = taken(at_most, [size])
    assert isinstance(fits, Prelude)
    assert fits.over
    assert taken(line(MOVE) + at_most, [size]) is TooManyMoves
    assert taken(b"0004" * (MOST_LINES + 1), [size]) is TooManyMoves
    long = line(b"x" * 65_516)
    assert taken(long * (MOST_BYTES // len(long)), [size]) is not TooManyMoves
    assert taken(long * (MOST_BYTES // len(long) + 1), [size]) is TooManyMoves


@pytest.mark.parametrize("body", [b"PACK", b"0001", b"0002", b"0003", b"fff1", b"+0ff", b" 0ff", b"-001", b"00 f"])
def test_what_has_no_length_before_it_is_no_line(body: bytes) -> None:
    assert taken(line(MOVE) + body, [3]) is NotLines


def test_a_pusher_without_side_band_is_told_in_the_report_alone() -> None:
    assert refusal(NotLines("No."), side_band=False) == b"000funpack No.\n0000"
    beside = refusal(TooManyMoves("No.", remedy="Try less."), side_band=True)
    assert beside == b"0013\x02No.\nTry less.\n" + b"0018\x01000funpack No.\n0000" + b"0000"
