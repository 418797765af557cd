"""The drawings of the parts: line drawings on a 120 × 120 sheet, coloured by the style sheet.

The main pens: `m` metal, `d` dark, `a` accent, `l` line only. The parts are drawn here rather than kept as pictures, so
that they follow the page into dark mode, weigh little and need no second request.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin


def svg(name: str, label: str = "") -> str:
    """The drawing as an inline SVG element; a hexagon nut where there is none of that name."""
    what = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    return f'<svg class="drawing" viewBox="0 0 120 120" {what}>{_shapes(name)}</svg>'


@cache
def _shapes(name: str) -> str:
    return _DRAWINGS.get(name, nut)()


def _circle(x: float, y: float, r: float, pen: str) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" class="{pen}"/>'


def _box(x: float, y: float, width: float, height: float, pen: str, round_: float = 0) -> str:
    corner = f' rx="{round_:g}"' if round_ else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{corner} class="{pen}"/>'


def _path(d: str, pen: str) -> str:
    return f'<path d="{d}" class="{pen}"/>'


def _around(count: int, distance: float, start: float = -pi / 2) -> list[tuple[float, float]]:
    """Points on a circle around the middle of the sheet."""
    steps = (start + index * 2 * pi / count for index in range(count))
    return [(60 + distance * cos(angle), 60 + distance * sin(angle)) for angle in steps]


def _holes(count: int, distance: float, r: float, pen: str, start: float = -pi / 2) -> str:
    return "".join(_circle(x, y, r, pen) for x, y in _around(count, distance, start))


def _spokes(count: int, inner: float, outer: float, pen: str, lean: float = 0.0) -> str:
    ends = zip(_around(count, inner), _around(count, outer, -pi / 2 + lean), strict=True)
    return _path("".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for (a, b), (c, d) in ends), pen)


def _polygon(points: list[tuple[float, float]], pen: str) -> str:
    return _path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z", pen)


def _gear(teeth: int, inner: float, outer: float, pen: str) -> str:
    points = []
    for index in range(teeth):
        for share, radius in ((0.0, inner), (0.2, outer), (0.5, outer), (0.7, inner)):
            angle = (index + share) * 2 * pi / teeth
            points.append((60 + radius * cos(angle), 60 + radius * sin(angle)))
    return _polygon(points, pen)


def nut() -> str:
    """A hexagon nut: the shop's sign."""
    return _polygon(_around(6, 46), "m") + _circle(60, 60, 31, "l") + _circle(60, 60, 20, "d")


def _disc() -> str:
    return (
        _circle(60, 60, 50, "m")
        + _spokes(30, 31, 47, "l", 0.35)
        + _circle(60, 60, 27, "m")
        + _holes(5, 18.5, 3.4, "d")
        + _circle(60, 60, 10, "d")
    )


def _pads() -> str:
    pad = "M{0} {1}q36 -22 72 0l7 24q-43 -20 -86 0z"
    return (
        _path(pad.format(24, 34), "d")
        + _path("M29 40q31 -16 62 0l4 12q-35 -13 -70 0z", "a")
        + _path(pad.format(24, 80), "d")
        + _path("M29 86q31 -16 62 0l4 12q-35 -13 -70 0z", "a")
        + _path("M60 70v28", "l")
    )


def _hose() -> str:
    return (
        _path("M24 26C24 104 60 104 60 60S96 16 96 94", "tube")
        + _path("M24 26C24 104 60 104 60 60S96 16 96 94", "braid")
        + _box(16, 12, 16, 20, "a", 2)
        + _box(88, 88, 16, 20, "a", 2)
        + _box(20, 6, 8, 6, "m")
        + _box(92, 108, 8, 6, "m")
    )


def _caliper() -> str:
    return (
        _path("M12 90C12 44 32 22 60 22s48 22 48 68l-20 8c0 -34 -8 -46 -28 -46s-28 12 -28 46z", "a")
        + _path("M34 26h52l6 24H28z", "m")
        + _circle(48, 38, 7.5, "d")
        + _circle(72, 38, 7.5, "d")
        + _circle(22, 84, 5, "d")
        + _circle(98, 84, 5, "d")
    )


def _filter() -> str:
    ribs = "".join(f"M{x} 30V88" for x in range(38, 86, 8))
    return (
        _box(28, 18, 64, 10, "d", 3)
        + _path("M30 28h60v62q0 14 -14 14H44q-14 0 -14 -14z", "a")
        + _path(ribs, "l")
        + _path("M46 104h28v6H46z", "m")
        + _path("M52 10h16v8H52z", "m")
    )


def _plug() -> str:
    threads = "".join(f"M51 {y}l18 3" for y in range(78, 98, 5))
    return (
        _box(55, 6, 10, 10, "m", 2)
        + _path("M52 16h16l3 36H49z", "light")
        + _path("M51 28h18M50.500 36h19", "l")
        + _polygon([(42, 52), (78, 52), (82, 58), (82, 68), (78, 74), (42, 74), (38, 68), (38, 58)], "m")
        + _path("M50 52v22M70 52v22", "l")
        + _box(51, 74, 18, 26, "d")
        + _path(threads, "thin")
        + _path("M60 100v5", "spark")
        + _path("M68 100v12H58", "edge")
    )


def _belt() -> str:
    return (
        _path("M60 10C30 10 28 34 24 66C20 96 44 112 60 112S100 96 96 66C92 34 90 10 60 10Z", "tube")
        + _path("M60 10C30 10 28 34 24 66C20 96 44 112 60 112S100 96 96 66C92 34 90 10 60 10Z", "teeth")
        + _circle(60, 32, 13, "m")
        + _circle(60, 32, 4, "d")
        + _circle(60, 80, 23, "m")
        + _circle(60, 80, 16, "l")
        + _circle(60, 80, 6, "a")
    )


def _piston() -> str:
    return (
        _path("M28 18h64v56q-16 8 -16 24H44q0 -16 -16 -24z", "m")
        + _box(28, 22, 64, 5, "d")
        + _box(28, 31, 64, 5, "d")
        + _box(28, 40, 64, 5, "a")
        + _circle(60, 66, 12, "d")
        + _circle(60, 66, 6, "m")
    )


def _thermostat() -> str:
    return (
        _polygon(_around(3, 54, pi / 6), "m")
        + _circle(60, 60, 33, "m")
        + _circle(60, 60, 24, "d")
        + _path("M42 60h36", "bar")
        + _circle(60, 60, 11, "a")
        + "".join(_circle(x, y, 4, "d") for x, y in _around(3, 44, pi / 6))
    )


def _oil() -> str:
    return (
        _path("M34 34h32l20 16v52q0 6 -6 6H34q-6 0 -6 -6V40q0 -6 6 -6z", "a")
        + _path("M72 22l22 18-8 12-24 -18z", "m")
        + _box(38, 14, 22, 12, "d", 3)
        + _box(41, 26, 16, 8, "m")
        + _box(38, 58, 38, 34, "light", 3)
        + _path("M57 63c8 10 9 13 9 16a9 9 0 0 1 -18 0c0 -3 1 -6 9 -16z", "d")
    )


def _battery() -> str:
    return (
        _box(30, 22, 14, 12, "m", 2)
        + _box(76, 22, 14, 12, "m", 2)
        + _box(12, 32, 96, 16, "d", 3)
        + _box(16, 48, 88, 54, "a", 3)
        + _path("M34 68h14M41 61v14M72 68h14", "bold")
        + _path("M16 86h88", "l")
    )


def _alternator() -> str:
    return (
        _circle(60, 60, 46, "m")
        + _path("M22 20l16 12M98 20L82 32M60 106v10", "bar")
        + _spokes(18, 30, 41, "bold", 0.12)
        + _circle(60, 60, 25, "d")
        + _circle(60, 60, 18, "a")
        + _circle(60, 60, 12, "l")
        + _circle(60, 60, 5, "d")
    )


def _fuse() -> str:
    return (
        _path("M22 18h76v38H86v8H34v-8H22z", "a")
        + _box(34, 26, 52, 24, "light", 3)
        + _path("M44 38c6 -14 10 14 16 0s10 -14 16 0", "bold")
        + _box(32, 56, 16, 48, "m", 2)
        + _box(72, 56, 16, 48, "m", 2)
        + _path("M48 64h24", "l")
    )


def _bulb() -> str:
    return (
        _path("M46 60V24q0 -14 14 -14t14 14v36z", "light")
        + _path("M54 60V34h12v26M54 34q6 -8 12 0", "spark")
        + _box(38, 58, 44, 12, "m", 2)
        + _box(42, 70, 36, 18, "d", 3)
        + _box(48, 88, 6, 20, "m")
        + _box(66, 88, 6, 20, "m")
    )


def _shock() -> str:
    return (
        _circle(60, 104, 10, "m")
        + _circle(60, 104, 4, "d")
        + _box(44, 50, 32, 46, "a", 4)
        + _box(40, 26, 40, 26, "d", 3)
        + _path("M44 62h32M44 84h32", "l")
        + _box(56, 10, 8, 16, "m")
        + _box(50, 4, 20, 7, "m", 2)
    )


def _spring() -> str:
    ys = range(20, 100, 14)
    back = "".join(f"M88 {y}L32 {y + 8}" for y in ys)
    front = "".join(f"M32 {y - 6}L88 {y}" for y in ys)
    return _path(back, "coil back") + _path(front, "coil") + _box(26, 104, 68, 6, "d", 3) + _box(26, 6, 68, 6, "d", 3)


def _bearing() -> str:
    return (
        _circle(60, 60, 50, "m")
        + _circle(60, 60, 41, "d")
        + _holes(11, 33, 7.2, "light")
        + _circle(60, 60, 24, "m")
        + _holes(5, 17, 2.6, "d")
        + _circle(60, 60, 10, "a")
    )


def _arm() -> str:
    return (
        _path("M18 24L98 84l-8 20L52 94 22 112 10 96l26 -22L10 40z", "m")
        + _path("M34 48l38 30-22 4-14 -10z", "d")
        + _circle(20, 32, 12, "a")
        + _circle(20, 32, 5, "d")
        + _circle(20, 102, 11, "a")
        + _circle(20, 102, 4.5, "d")
        + _circle(98, 92, 14, "d")
        + _circle(98, 92, 8, "m")
        + _path("M98 78V62", "bar")
    )


def _wiper() -> str:
    return (
        _path("M10 96L104 22l6 8L16 104z", "d")
        + _path("M8 104L106 28", "edge")
        + _path("M62 58L94 110", "bar")
        + _box(50, 46, 24, 14, "a", 4)
        + _circle(95, 110, 6, "m")
    )


def _mirror() -> str:
    return (
        _path("M14 34q0 -14 16 -14h46q30 0 30 32q0 26 -26 30H34q-20 0 -20 -20z", "d")
        + _path("M22 38q0 -10 12 -10h40q22 0 22 24q0 19 -20 22H36q-14 0 -14 -14z", "light")
        + _path("M40 66L66 36M56 66L82 38", "thin")
        + _path("M44 82l4 26h26l4 -26z", "m")
        + _path("M16 78q14 10 40 8", "amber")
    )


def _airfilter() -> str:
    folds = "M24 34" + "".join(f"l6 {52 if index % 2 == 0 else -52}" for index in range(12))
    return (
        _box(12, 24, 96, 72, "m", 4)
        + _box(20, 32, 80, 56, "a", 2)
        + _path(folds, "bold")
        + _path("M46 106h28l-6 6M74 106l-6 -6", "edge")
    )


def _wheel() -> str:
    arms = "".join(
        f'<path d="M54 48L49 14h22L66 48z" class="m" transform="rotate({index * 72} 60 60)"/>' for index in range(5)
    )
    return (
        _circle(60, 60, 53, "d")
        + _circle(60, 60, 47, "light")
        + arms
        + _circle(60, 60, 47, "l")
        + _circle(60, 60, 17, "m")
        + _holes(5, 11, 2.4, "d", pi / 2)
        + _circle(60, 60, 5, "a")
    )


def _tyre() -> str:
    return (
        _gear(34, 51, 55, "d")
        + _circle(60, 60, 44, "l-light")
        + _circle(60, 60, 34, "m")
        + _circle(60, 60, 28, "light")
        + _spokes(10, 10, 28, "l")
        + _circle(60, 60, 9, "a")
    )


def _bolt() -> str:
    threads = "".join(f"M50 {y}l20 4" for y in range(66, 104, 6))
    return (
        _path("M38 10h44v26H38z", "m")
        + _path("M51 10v26M69 10v26", "l")
        + _path("M32 36h56v6L72 60H48L32 42z", "a")
        + _path("M50 60h20v46l-5 6H55l-5 -6z", "d")
        + _path(threads, "thin")
    )


_DRAWINGS = {
    "disc": _disc,
    "pads": _pads,
    "hose": _hose,
    "caliper": _caliper,
    "filter": _filter,
    "plug": _plug,
    "belt": _belt,
    "piston": _piston,
    "thermostat": _thermostat,
    "oil": _oil,
    "battery": _battery,
    "alternator": _alternator,
    "fuse": _fuse,
    "bulb": _bulb,
    "shock": _shock,
    "spring": _spring,
    "bearing": _bearing,
    "arm": _arm,
    "wiper": _wiper,
    "mirror": _mirror,
    "airfilter": _airfilter,
    "wheel": _wheel,
    "tyre": _tyre,
    "bolt": _bolt,
}
