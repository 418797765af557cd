"""Lines that no series is behind."""

from __future__ import annotations

import numpy as np

from andon.feedback.graphite.registry import Asked
from andon.feedback.graphite.rows import Row


def constant(asked: Asked, value: float, name: str) -> Row:
    """A level line: three points, as Graphite has it."""
    return Row(
        name=name,
        start=asked.start,
        end=asked.end,
        step=max(1, (asked.end - asked.start) // 2),
        values=np.full(3, float(value)),
        expression=f"constantLine({name})",
        tags={"name": name},
        threshold=asked.threshold or 0.0,
    )
