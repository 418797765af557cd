"""A dependency that fails is left alone for a while, and one that is too slow for the load is done without.

Both are bound to a flag, so that a person can do at once what they do by themselves. No locks: what is counted is
appended to and popped from deques, each of which is one step, so that a fork finds nothing held.
"""

import functools
import inspect
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Optional, Protocol, TypeVar, Union, cast

_F = TypeVar("_F", bound=Callable[..., Any])
_NOTHING: Mapping[str, object] = {}
MOST_FAILURES = 10_000


class Asked(Protocol):
    """What of the client is asked here."""

    def boolean(self, name: str, context: Optional[Mapping[str, object]] = None, default: bool = False) -> bool:
        """A flag that is on or off."""

    def number(
        self, name: str, context: Optional[Mapping[str, object]] = None, default: Union[int, float] = 0
    ) -> Union[int, float]:
        """A flag that is a number."""

    def tell(self, metric: str, **tags: str) -> None:
        """Count one."""


class State(str, Enum):
    """``closed`` lets everything through, ``open`` nothing, ``half-open`` one call that finds out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerOpen(Exception):
    """The call was not made: the dependency is switched off, by itself or by its flag."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(f"{name} {says}")
        self.name = name


class Breaker:
    """``with breaker:`` around a call, or ``@breaker`` on a function.

    After ``failures`` failures ``within`` seconds it opens: for ``rest`` seconds no call is made, and ``BreakerOpen``
    is raised instead, or ``fallback`` is called with the arguments of the function. Then one call at a time finds out:
    when it succeeds the breaker closes, when it fails it rests again. While ``flag`` is off it is open, whatever it
    has counted. ``errors`` are those that speak against the dependency; others pass through and count as neither.
    Each process has a state of its own.
    """

    def __init__(
        self,
        flags: Asked,
        name: str,
        *,
        flag: Optional[str] = None,
        context: Optional[Mapping[str, object]] = None,
        failures: int = 5,
        within: float = 10.0,
        rest: float = 30.0,
        errors: "tuple[type[BaseException], ...]" = (Exception,),
        fallback: "Optional[Callable[..., Any]]" = None,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        if not 0 < failures <= MOST_FAILURES or within <= 0 or rest < 0:
            raise ValueError(
                f"A breaker opens after 1 to {MOST_FAILURES} failures, counts over a time and rests for one; "
                f"not after {failures} within {within} s, resting {rest} s."
            )
        self.name = name
        self._flags = flags
        self._flag = flag
        self._context = _NOTHING if context is None else context
        self._within = within
        self._rest = rest
        self._errors = errors
        self._fallback = fallback
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=failures)
        self._opened: Optional[float] = None
        self._probe: deque[None] = deque([None])  # whoever pops it finds out

    @property
    def state(self) -> State:
        """Of now. Off by its flag is open."""
        if self._is_off():
            return State.OPEN
        if self._opened is None:
            return State.CLOSED
        return State.OPEN if self._clock() - self._opened < self._rest else State.HALF_OPEN

    def __enter__(self) -> "Breaker":
        self._let_through()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            self._succeeded()
        elif isinstance(error, self._errors):
            self._has_failed()
        elif self._opened is not None:
            self._give_back()

    def __call__(self, function: _F) -> _F:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*arguments: Any, **named: Any) -> Any:
                try:
                    self._let_through()
                except BreakerOpen:
                    if self._fallback is None:
                        raise
                    instead = self._fallback(*arguments, **named)
                    return await instead if inspect.isawaitable(instead) else instead
                return await self._around(function(*arguments, **named))

            return cast("_F", later)

        @functools.wraps(function)
        def now(*arguments: Any, **named: Any) -> Any:
            try:
                self._let_through()
            except BreakerOpen:
                if self._fallback is None:
                    raise
                return self._fallback(*arguments, **named)
            with _Let(self):
                return function(*arguments, **named)

        return cast("_F", now)

    def after_fork(self) -> None:
        """In the child: the one who was finding out is in the parent."""
        self._probe = deque([None])

    # Inside

    async def _around(self, awaited: Any) -> Any:
        with _Let(self):
            return await awaited

    def _is_off(self) -> bool:
        return self._flag is not None and not self._flags.boolean(self._flag, self._context, default=True)

    def _let_through(self) -> None:
        if self._is_off():
            self._refuse(f"is switched off by the flag {self._flag}")
        opened = self._opened
        if opened is None:
            return
        left = opened + self._rest - self._clock()
        if left > 0:
            self._refuse(f"has failed too often and is left alone for {left:.0f} s more")
        try:
            self._probe.pop()
        except IndexError:
            self._refuse("is being tried by another call")

    def _refuse(self, says: str) -> None:
        self._flags.tell("flags.breaker.refused", breaker=self.name)
        raise BreakerOpen(self.name, says)

    def _succeeded(self) -> None:
        if self._opened is not None:
            self._opened = None
            self._failed.clear()
            self._give_back()
            self._flags.tell("flags.breaker.changed", breaker=self.name, to=State.CLOSED.value)

    def _has_failed(self) -> None:
        now = self._clock()
        if self._opened is not None:
            self._opened = now
            self._give_back()
            return
        failed = self._failed
        failed.append(now)
        if len(failed) == failed.maxlen and now - failed[0] <= self._within:
            self._opened = now
            failed.clear()
            self._flags.tell("flags.breaker.changed", breaker=self.name, to=State.OPEN.value)

    def _give_back(self) -> None:
        if not self._probe:
            self._probe.append(None)


class _Let:
    """The rest of a ``with``, of a call that was let through."""

    __slots__ = ("_breaker",)

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._breaker.__exit__(kind, error, trace)


class Degrade:
    """Does less from a level on, which a flag of the kind number says: ``at`` where the flag is not there.

    ``with flags.degrade("search", flag="search-degrades-at", at=50) as less:`` counts the calls that are under way, and
    ``less`` is true for those above the level. ``under(load)`` compares a load that the caller measured. A level of 0
    degrades everybody at once, a negative one nobody. Keep what ``degrade`` returns: it is what counts.
    """

    def __init__(
        self, flags: Asked, name: str, *, flag: str, at: float, context: Optional[Mapping[str, object]] = None
    ) -> None:
        self.name = name
        self._flags = flags
        self._flag = flag
        self._at = at
        self._context = _NOTHING if context is None else context
        self._inside: deque[None] = deque()

    @property
    def in_flight(self) -> int:
        """Calls that are under way in this process."""
        return len(self._inside)

    def under(self, load: float) -> bool:
        """Whether to do less under this load, in the unit of the level."""
        level = self._flags.number(self._flag, self._context, default=self._at)
        less = level == 0 or 0 < level < load
        if less:
            self._flags.tell("flags.degraded", degrade=self.name)
        return less

    def __enter__(self) -> bool:
        self._inside.append(None)
        return self.under(len(self._inside))

    def __exit__(self, *_: object) -> None:
        if self._inside:
            self._inside.pop()

    def after_fork(self) -> None:
        """In the child: who was inside is inside in the parent."""
        self._inside.clear()
