"""What pages with graphs load beside the console's own script."""

from __future__ import annotations

import gzip

from andon.web.rendering import STATIC


def test_the_script_and_style_of_graphs_are_small() -> None:
    squeezed = {name: len(gzip.compress((STATIC / name).read_bytes())) for name in ("graphs.js", "graphs.css")}
    assert squeezed["graphs.js"] < 40_000
    assert squeezed["graphs.css"] < 6_000
    assert squeezed["graphs.js"] + len(gzip.compress((STATIC / "console.js").read_bytes())) < 100_000
