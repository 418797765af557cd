"""What Graphite is asked: series of targets, the tree of paths, tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from andon.feedback.graphite.catalogue import Catalogue, Found
from andon.feedback.graphite.contract import MOST_TARGETS, PATIENCE, BadTarget
from andon.feedback.graphite.evaluator import Bounds, Evaluation
from andon.feedback.graphite.reading import Reader
from andon.feedback.graphite.rows import Row
from andon.feedback.telemetry.contract.metrics import Measurements, Sight
from andon.feedback.telemetry.contract.moments import now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Targets in a window; seconds since 1970. ``now`` is what ``now`` means in a target."""

    targets: tuple[str, ...]
    start: int
    end: int
    now: int
    zone: tzinfo = UTC
    threshold: float | None = None
    """Graphite's xFilesFactor."""
    template: Mapping[str, str] = field(default_factory=dict)


class Graphite:
    """Graphite's questions over everything that ``sight`` may see. Safe to use from every thread.

    ``clock`` (ms since 1970) is there for tests. All raise :class:`BadTarget`,
    :class:`~andon.feedback.graphite.contract.TookTooLong` and what the store raises.
    """

    def __init__(
        self,
        measurements: Measurements,
        *,
        clock: Callable[[], int] = now_ms,
        patience: float = PATIENCE,
    ) -> None:
        self._measurements, self._clock, self._patience = measurements, clock, patience

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return self._clock() // 1000

    def rows(self, question: Question, *, sight: Sight) -> list[Row]:
        """The series of all targets, one target's after the other's."""
        if len(question.targets) > MOST_TARGETS:
            raise BadTarget(
                f"The request has {len(question.targets)} targets, more than {MOST_TARGETS}.",
                remedy="Ask in several requests.",
            )
        evaluation = Evaluation(
            source=Reader(self._measurements, sight, now=self.now),
            start=question.start,
            end=question.end,
            now=question.now,
            zone=question.zone,
            bounds=Bounds(seconds=self._patience),
            threshold=question.threshold,
            template=question.template,
        )
        return [row for target in question.targets if target.strip() for row in evaluation.target(target)]

    def find(self, pattern: str, start: int, end: int, *, sight: Sight) -> list[Found]:
        return self._catalogue(sight).children(pattern, start, end)

    def paths(self, start: int, end: int, *, sight: Sight) -> list[str]:
        return self._catalogue(sight).everything(start, end)

    def tags(self, conditions: Sequence[str], start: int, end: int, *, sight: Sight) -> list[str]:
        return self._catalogue(sight).tags(conditions, start, end)

    def values(self, tag: str, conditions: Sequence[str], start: int, end: int, *, sight: Sight) -> dict[str, int]:
        return self._catalogue(sight).values(tag, conditions, start, end)

    def series(self, conditions: Sequence[str], start: int, end: int, *, sight: Sight) -> list[str]:
        return [leaf.name for leaf in self._catalogue(sight).tagged(conditions, start, end)]

    def _catalogue(self, sight: Sight) -> Catalogue:
        return Catalogue(self._measurements, sight)
