"""Which of the five levels a metric belongs to, where its sender does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from andon.feedback.telemetry.contract.metrics import Level

LEVEL = "andon_level"
"""The label by which a sender says it (``andon.level`` in OpenTelemetry): ``business``, …"""

_LEVELS = {level.value: level for level in Level}
_INFRASTRUCTURE = re.compile(
    r"(?:node|process|system|container|machine|kube|k8s|cadvisor|host|hw|go|python|jvm|nodejs|dotnet|v8js|"
    r"runtime|envoy|nginx|redis|pg|postgresql|mysql|kafka)_"
)


def level_of(name: str, labels: Mapping[str, str]) -> Level:
    """By the label, or by the names that exporters and OpenTelemetry's conventions use for machines and runtimes."""
    said = _LEVELS.get(labels.get(LEVEL, ""))
    if said is not None:
        return said
    return Level.INFRASTRUCTURE if _INFRASTRUCTURE.match(name) else Level.APPLICATION
