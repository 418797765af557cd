"""Graphite's functions, by name."""

from __future__ import annotations

from collections.abc import Mapping

from andon.feedback.graphite.functions import (
    combining,
    filtering,
    forecasting,
    grouping,
    naming,
    percentages,
    shifting,
    sloping,
    special,
    summarizing,
    transforming,
    windows,
)
from andon.feedback.graphite.registry import Function

FUNCTIONS: Mapping[str, Function] = {
    **combining.KNOWN,
    **percentages.KNOWN,
    **grouping.KNOWN,
    **transforming.KNOWN,
    **sloping.KNOWN,
    **summarizing.KNOWN,
    **shifting.KNOWN,
    **windows.KNOWN,
    **forecasting.KNOWN,
    **filtering.KNOWN,
    **naming.KNOWN,
    **special.KNOWN,
}
