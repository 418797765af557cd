"""What others may ask of PromQL: a question in text, an answer in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from andon.feedback.telemetry.contract.metrics import Labels, Sight

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series of an answer. ``times`` are ms and grow, ``values`` as many; where nothing is there is no time."""

    name: str
    """Empty where an operation has taken it."""
    labels: Labels
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    lines: tuple[Line, ...]
    warnings: tuple[str, ...] = ()
    samples: int = 0
    """How many samples were read for it."""


class Questions(Protocol):
    """Raises :class:`~andon.kernel.errors.Invalid` for a question that is none or asks for too much (the message says
    where), :class:`~andon.kernel.errors.Unavailable` when the store does not answer in time."""

    def range(self, query: str, start: int, end: int, step: int, *, sight: Sight) -> Answer:
        """The answer at ``start``, ``start + step``, … up to ``end`` (ms). A scalar is one line without labels."""

    def instant(self, query: str, at: int, *, sight: Sight) -> Answer:
        """The answer at one moment: lines of one value. Raises ``Invalid`` for a question whose answer is a string or a
        range of samples."""
