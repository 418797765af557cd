"""Logs as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import andon_client

SOURCE = Path(andon_client.__file__).parent.parent


def lines_of(program: str) -> list[dict[str, object]]:
    whole = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_record_is_one_line_with_what_was_given_as_extra() -> None:
    first, second = lines_of("""
        import logging
        from andon_client import log
        log.to_stdout()
        shop = logging.getLogger("shop")
        shop.debug("not this")
        shop.warning("%s is\\nlow", "stock", extra={"item": 7, "odd": object})
        try:
            1 / 0
        except ZeroDivisionError:
            shop.exception("failed")
    """)
    assert (first["severity"], first["message"], first["logger"], first["item"]) == ("WARN", "stock is\nlow", "shop", 7)
    assert str(first["time"]).endswith("+00:00")
    assert second["severity"] == "ERROR"
    assert "ZeroDivisionError" in str(second["exception"])
    assert "trace_id" not in first


def test_the_trace_of_a_program_that_uses_opentelemetry_is_told() -> None:
    (line,) = lines_of("""
        import logging, sys, types
        from andon_client import log
        context = types.SimpleNamespace(is_valid=True, trace_id=0x4BF9, span_id=0x00F0)
        span = types.SimpleNamespace(get_span_context=lambda: context)
        sys.modules["opentelemetry.trace"] = types.SimpleNamespace(get_current_span=lambda: span)
        log.to_stdout()
        logging.info("hello")
    """)
    assert (line["trace_id"], line["span_id"]) == ("4bf9".zfill(32), "00f0".zfill(16))
