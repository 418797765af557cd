"""OpenFeature's provider: ``api.set_provider_and_wait(AndonProvider())``. Needs ``andon-flags[openfeature]``.

What a program asks of OpenFeature is answered here, in its own process. Asking ``flags`` itself is a hundred times
faster: most of what a call costs is the SDK's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Optional

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from andon_flags import flags as shared
from andon_flags.client import Flags
from andon_flags.document import Kind
from andon_flags.following import Status
from andon_flags.outcomes import Details
from andon_flags.outcomes import ErrorCode as OurErrorCode

WAIT = 10.0
"""Seconds that OpenFeature waits for the first flags."""


class AndonProvider(AbstractProvider):
    """Answers from ``flags``, by default those of ``from andon_flags import flags``.

    Its events: ready, also when flags come after it was not or after it was stale; error, when there are none in time;
    stale, when the stream has been away for five seconds; configuration changed, with the names of the flags.

    The targeting key is the attribute ``targetingKey``. A flag of the kind number is an integer to who asks for one
    and it is whole, and a float to who asks for a float. Metadata of an evaluation: the rule that matched.
    """

    def __init__(self, flags: Optional[Flags] = None, *, wait: float = WAIT) -> None:
        super().__init__()
        self._flags = shared if flags is None else flags
        self._wait = wait
        self._ends: list[Callable[[], None]] = []
        self._away = False

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="andon")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Wait for flags. Raises ``ProviderNotReadyError``; they are followed all the same."""
        again = bool(self._ends)
        if not again:
            self._ends.append(self._flags.on_status(self._turned))
        self._away = not self._flags.ready(self._wait)
        if not again:
            # only now: that there are flags at all is no change, and said by being ready
            self._ends.append(self._flags.on_change(self._changed))
        if self._away and not self._flags.ready(0):
            raise ProviderNotReadyError(f"There are no flags after {self._wait:g} s: {self._flags.status().problem}")

    def shutdown(self) -> None:
        """Tell OpenFeature of no more changes. The flags go on: whoever made them closes them."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: Optional[EvaluationContext] = None
    ) -> "FlagResolutionDetails[bool]":
        """A flag of the kind boolean."""
        return self._resolved(Kind.BOOLEAN, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: Optional[EvaluationContext] = None
    ) -> "FlagResolutionDetails[str]":
        """A flag of the kind string."""
        return self._resolved(Kind.STRING, flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: Optional[EvaluationContext] = None
    ) -> "FlagResolutionDetails[int]":
        """A flag of the kind number that is whole."""
        found: FlagResolutionDetails[Any] = self._resolved(Kind.NUMBER, flag_key, default_value, evaluation_context)
        if found.error_code is None and found.value != int(found.value):
            says = f"{flag_key} is {found.value}, which is no whole number."
            return FlagResolutionDetails(default_value, ErrorCode.TYPE_MISMATCH, says, Reason.ERROR)
        found.value = int(found.value) if found.error_code is None else default_value
        return found

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: Optional[EvaluationContext] = None
    ) -> "FlagResolutionDetails[float]":
        """A flag of the kind number."""
        found: FlagResolutionDetails[Any] = self._resolved(Kind.NUMBER, flag_key, default_value, evaluation_context)
        found.value = float(found.value) if found.error_code is None else default_value
        return found

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: Optional[EvaluationContext] = None
    ) -> "FlagResolutionDetails[Any]":
        """A flag of the kind object: a mapping or a list."""
        return self._resolved(Kind.OBJECT, flag_key, default_value, evaluation_context)

    # Inside

    def _resolved(
        self, kind: Kind, name: str, default: Any, context: Optional[EvaluationContext]
    ) -> "FlagResolutionDetails[Any]":
        found: Details = self._flags.details(name, attributes_of(context), default, kind=kind)
        return FlagResolutionDetails(
            value=found.value,
            error_code=None if found.error is None else _code(found.error),
            error_message=found.says or None,
            reason=Reason(found.reason.value),
            variant=found.variant,
            flag_metadata={} if found.rule is None else {"rule": found.rule},
        )

    def _changed(self, names: "frozenset[str]") -> None:
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(names)))

    def _turned(self, status: Status) -> None:
        if status.connected:
            if self._away:  # else it was never anything else than ready
                self._away = False
                self.emit_provider_ready(ProviderEventDetails())
        elif status.revision is not None and not self._away:
            self._away = True
            self.emit_provider_stale(ProviderEventDetails(message=status.problem or "The stream is away."))


def attributes_of(context: Optional[EvaluationContext]) -> "Mapping[str, object]":
    """OpenFeature's context as the one mapping that flags ask."""
    if context is None:
        return {}
    if context.targeting_key is None:
        return context.attributes
    return {**context.attributes, "targetingKey": context.targeting_key}


def _code(error: OurErrorCode) -> ErrorCode:
    return ErrorCode(error.value)
