"""What a program says."""

import functools
import inspect
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Optional, TypeVar, cast

from andon_client.lines import Lines, number, plain_value
from andon_client.sending import Sender, address

_F = TypeVar("_F", bound=Callable[..., object])


def tags_of(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What is told with every line. Who listens on Andon's own socket knows the service and the environment."""
    told = {"version": environment.get("ANDON_VERSION", ""), "instance": environment.get("ANDON_INSTANCE", "")}
    if not environment.get("ANDON_TELEMETRY"):
        told["service"] = environment.get("ANDON_SERVICE", "")
        told["environment"] = environment.get("ANDON_ENVIRONMENT", "")
    return {tag: value for tag, value in told.items() if value}


class Metric:
    """Every method returns at once and raises nothing; what makes no sense is dropped and counted."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._lines = Lines(tags_of(environment))
        self._sender = Sender(address(environment))

    @property
    def dropped(self) -> int:
        """How many lines this process could not send: nobody listened, too many waited, or they made no sense."""
        return self._sender.dropped

    def increment(self, name: str, by: float = 1, /, **tags: object) -> None:
        """Add to a count."""
        self._say(name, by, "c", tags)

    def gauge(self, name: str, value: float, /, **tags: object) -> None:
        """Tell a value that goes up and down."""
        self._say(name, value, "g", tags)

    def timing(self, name: str, seconds: float, /, **tags: object) -> None:
        """Tell how long something took."""
        try:
            milliseconds = float(seconds) * 1000
        except Exception:  # noqa: BLE001 - whatever it was given, it does not disturb the program
            self._sender.drop(1)
            return
        self._say(name, milliseconds, "ms", tags)

    def timer(self, name: str, /, **tags: object) -> "Timer":
        """Measure a ``with`` block, or, as a decorator, each call of a function."""
        return Timer(self, name, tags)

    def observe(self, name: str, value: float, /, **tags: object) -> None:
        """Tell one of many measured values, of which percentiles and a distribution are wanted."""
        self._say(name, value, "h", tags)

    def unique(self, name: str, value: object, /, **tags: object) -> None:
        """Count how many different values there are."""
        try:
            around = self._lines.around(name, "s", tags)
            text = plain_value(value).encode("utf-8", "replace")
            if around is None or not text:
                self._sender.drop(1)
            else:
                self._sender.add(around[0] + text + around[1])
        except Exception:  # noqa: BLE001 - as above
            self._sender.drop(1)

    def event(self, title: str, text: str = "", /, **tags: object) -> None:
        """Tell of something that happened."""
        try:
            self._sender.add(self._lines.event(title, text, tags))
        except Exception:  # noqa: BLE001 - as above
            self._sender.drop(1)

    def flush(self) -> None:
        """Send now, waiting a moment at most."""
        try:
            self._sender.flush()
        except Exception:  # noqa: BLE001 - as above
            return

    # Inside

    def _say(self, name: object, value: object, kind: str, tags: Mapping[str, object]) -> None:
        try:
            around = self._lines.around(name, kind, tags)
            text = number(value)
            if around is None or text is None:
                self._sender.drop(1)
                return
            line = around[0] + text + around[1]
            if kind == "g" and text[:1] == b"-":  # a leading minus means "less": from zero it is the value
                line = around[0] + b"0" + around[1] + b"\n" + line
            self._sender.add(line)
        except Exception:  # noqa: BLE001 - as above
            self._sender.drop(1)


class Timer:
    """``with metric.timer("search"):`` or ``@metric.timer("search")``. One that is kept may be used again and within
    itself, by one thread at a time; the decorator by any."""

    __slots__ = ("_began", "_metric", "_name", "_tags")

    def __init__(self, metric: Metric, name: str, tags: Mapping[str, object]) -> None:
        self._metric = metric
        self._name = name
        self._tags = tags
        self._began: list[float] = []

    def __enter__(self) -> "Timer":
        self._began.append(time.perf_counter())
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._metric.timing(self._name, time.perf_counter() - self._began.pop(), **self._tags)

    def __call__(self, function: _F) -> _F:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*arguments: object, **named: object) -> object:
                with Timer(self._metric, self._name, self._tags):
                    return await function(*arguments, **named)

            return cast("_F", later)

        @functools.wraps(function)
        def now(*arguments: object, **named: object) -> object:
            with Timer(self._metric, self._name, self._tags):
                return function(*arguments, **named)

        return cast("_F", now)
