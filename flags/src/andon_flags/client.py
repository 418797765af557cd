"""``from andon_flags import flags``: what a service asks."""

import atexit
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional, Union

from andon_flags.breaker import Breaker, Degrade
from andon_flags.compiling import Compiled, Context, Function
from andon_flags.differences import differing
from andon_flags.document import Document, Kind, read
from andon_flags.explaining import Asked, Explanation, Step, explain
from andon_flags.exposures import Exposures, Teller
from andon_flags.following import Follower, Status
from andon_flags.outcomes import Details, ErrorCode, Reason
from andon_flags.watching import Ending, Outcomes

_log = logging.getLogger("andon_flags")
_EMPTY = Document("", "", 0, {})
_NONE: Context = {}

Listener = Callable[["frozenset[str]"], object]


class _Asleep:
    """Stands where compiled flags do until somebody asks: knows nothing, so that asking goes the long way."""

    def __init__(self) -> None:
        self.booleans: dict[str, Function] = {}
        self.strings: dict[str, Function] = {}
        self.numbers: dict[str, Function] = {}
        self.objects: dict[str, Function] = {}


_ASLEEP = _Asleep()


class Flags:
    """Flags of one service in one environment.

    ``url`` is where they are streamed from (``unix:/run/flags/flags.sock`` or Andon's https address), ``file`` where
    the last good state is kept, or where Andon keeps it. What is not given comes from ``ANDON_FLAGS``,
    ``ANDON_FLAGS_TOKEN``, ``ANDON_FLAGS_FILE``, ``ANDON_SERVICE`` and ``ANDON_ENVIRONMENT``. ``document`` is for tests:
    it stays as it is.

    Nothing happens before the first question: no thread, no connection. Every method may be called from any thread,
    before and after a fork, and raises nothing: what cannot be told is the caller's default.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        file: "Union[str, os.PathLike[str], None]" = None,
        *,
        service: Optional[str] = None,
        environment: Optional[str] = None,
        document: "Union[Document, Mapping[str, object], None]" = None,
        counting: Optional[bool] = None,
        record: float = 0.0,
        record_to: "Optional[Teller]" = None,
        variables: "Mapping[str, str]" = os.environ,
    ) -> None:
        self._exposures = Exposures(variables, share=record, tell=record_to)
        on = variables.get("ANDON_FLAGS_COUNTING", "on").lower() not in {"off", "0", "false", "no"}
        self._counting = on if counting is None else counting
        self._listeners: list[tuple[Listener, frozenset[str]]] = []
        self._watchers: list[Callable[[Status], None]] = []
        self._has_document = threading.Event()
        self._exchanging = threading.Lock()
        self._compiled = Compiled(_EMPTY)
        self._now: Union[Compiled, _Asleep] = _ASLEEP
        self._follower: Optional[Follower] = None
        self._closed = False
        self._bound: weakref.WeakSet[Union[Breaker, Degrade]] = weakref.WeakSet()
        if document is not None:
            self._adopt(document if isinstance(document, Document) else read(document))
        else:
            kept = variables.get("ANDON_FLAGS_FILE", "") if file is None else os.fspath(file)
            self._follower = Follower(
                url=variables.get("ANDON_FLAGS", "") if url is None else url,
                token=variables.get("ANDON_FLAGS_TOKEN", "") if token is None else token,
                file=Path(kept) if kept else None,
                service=variables.get("ANDON_SERVICE", "") if service is None else service,
                environment=variables.get("ANDON_ENVIRONMENT", "") if environment is None else environment,
                adopt=self._adopt,
                exposures=self._exposures,
                turned=self._turned,
            )
        itself = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _call(itself, Flags._after_fork))
        atexit.register(lambda: _call(itself, Flags.close))

    # Values

    def boolean(self, name: str, context: Optional[Context] = None, default: bool = False) -> bool:
        """Whether it is on for whom ``context`` tells of."""
        try:
            return self._now.booleans[name](context)  # type: ignore[no-any-return]  # made of this kind
        except Exception:  # noqa: BLE001 - an evaluation raises nothing, and the long way finds out what it was
            return self._asked(Kind.BOOLEAN, name, context, default)  # type: ignore[no-any-return]  # as above

    def string(self, name: str, context: Optional[Context] = None, default: str = "") -> str:
        """The text it is for whom ``context`` tells of."""
        try:
            return self._now.strings[name](context)  # type: ignore[no-any-return]  # as above
        except Exception:  # noqa: BLE001 - as above
            return self._asked(Kind.STRING, name, context, default)  # type: ignore[no-any-return]  # as above

    def number(
        self, name: str, context: Optional[Context] = None, default: "Union[int, float]" = 0
    ) -> "Union[int, float]":
        """The number it is for whom ``context`` tells of; whole where it was written so."""
        try:
            return self._now.numbers[name](context)  # type: ignore[no-any-return]  # as above
        except Exception:  # noqa: BLE001 - as above
            return self._asked(Kind.NUMBER, name, context, default)  # type: ignore[no-any-return]  # as above

    def object(self, name: str, context: Optional[Context] = None, default: Any = None) -> Any:
        """The JSON it is for whom ``context`` tells of: a copy of the caller's own."""
        try:
            return copied(self._now.objects[name](context))
        except Exception:  # noqa: BLE001 - as above
            return self._asked(Kind.OBJECT, name, context, default)

    def details(
        self,
        name: str,
        context: Optional[Context] = None,
        default: Any = None,
        *,
        kind: Optional[Kind] = None,
    ) -> Details:
        """The value with its variant, the reason, the rule, and what went wrong. ``kind`` asks for that kind only."""
        try:
            return self._details(name, context, default, kind)
        except Exception as error:  # noqa: BLE001 - as above
            return _failed(default, ErrorCode.GENERAL, f"{type(error).__name__}: {error}")

    def explain(self, name: str, context: Optional[Context] = None) -> Explanation:
        """Step by step why ``context`` gets what it gets; ``print`` shows it. Not counted."""
        self._wake()
        document = self._compiled.document
        try:
            return explain(document, name, _NONE if context is None else context)
        except Exception as error:  # noqa: BLE001 - as above
            step = Step(Asked.FLAG, f"{type(error).__name__}: {error}", False)
            return Explanation(str(name), None, None, Reason.ERROR, None, ErrorCode.GENERAL, (step,), document.revision)

    # The client itself

    def ready(self, timeout: float = 5.0) -> bool:
        """Wait, ``timeout`` seconds at most, until there are flags: from the stream, the disk or a file."""
        self._wake()
        return self._has_document.wait(timeout)

    def status(self) -> Status:
        """What flags there are and where they come from: for a page of health."""
        self._wake()
        follower = self._follower
        revision = self._compiled.document.revision if self._has_document.is_set() else None
        return Status(revision, "fixed", False, "") if follower is None else follower.status(revision)

    def on_change(self, listener: Listener, *names: str) -> "Callable[[], None]":
        """Call ``listener`` with the names of the flags that have changed: of ``names``, or of all.

        It is called by the client's thread, when the new flags are in force. Returns what ends it.
        """
        self._wake()
        entry = (listener, frozenset(names))
        with self._exchanging:
            self._listeners = [*self._listeners, entry]

        def end() -> None:
            with self._exchanging:
                self._listeners = [one for one in self._listeners if one is not entry]

        return end

    def on_status(self, listener: "Callable[[Status], None]") -> "Callable[[], None]":
        """Call ``listener`` with the status when flags begin to come from the stream, and when they have not for five
        seconds; not for flags that come from no stream. As with ``on_change``, whose thread calls, and what ends it."""
        self._wake()
        self._watchers = [*self._watchers, listener]

        def end() -> None:
            self._watchers = [one for one in self._watchers if one is not listener]

        return end

    def count(self, on: bool) -> None:
        """Switch the counting of what is served on or off."""
        if on != self._counting:
            self._counting = on
            self._put(self._compiled.document)

    def counted(self) -> "dict[tuple[str, str], int]":
        """How often which variant of which flag was served since the last time that was told; for tests."""
        return self._exposures.counted()

    # What is bound to flags

    def breaker(
        self,
        name: str,
        *,
        flag: Optional[str] = None,
        context: Optional[Context] = None,
        failures: int = 5,
        within: float = 10.0,
        rest: float = 30.0,
        errors: "tuple[type[BaseException], ...]" = (Exception,),
        fallback: "Optional[Callable[..., Any]]" = None,
    ) -> Breaker:
        """A circuit breaker for a dependency: see ``Breaker``. Keep it; it is what counts."""
        made = Breaker(
            self,
            name,
            flag=flag,
            context=context,
            failures=failures,
            within=within,
            rest=rest,
            errors=errors,
            fallback=fallback,
        )
        self._bound.add(made)
        return made

    def degrade(self, name: str, *, flag: str, at: float, context: Optional[Context] = None) -> Degrade:
        """Do less from a level of load on: see ``Degrade``. Keep it; it is what counts."""
        made = Degrade(self, name, flag=flag, at=at, context=context)
        self._bound.add(made)
        return made

    def tell(self, metric: str, **tags: str) -> None:
        """Count one, and send it with the other counts."""
        self._exposures.add(metric, tags)

    # How requests end

    @property
    def outcomes(self) -> Outcomes:
        """What counts how requests end; for ``andon_flags.middleware``."""
        return self._exposures.outcomes

    def outcome(self) -> Ending:
        """``with flags.outcome() as it`` around a request, or a job: how it ends is counted for the watched flags that
        were served in it. ``it.failed()`` says that it has. WSGI and ASGI have ``andon_flags.middleware`` for it."""
        return Ending(self._exposures.outcomes)

    def track(self, event: str) -> None:
        """Something that the business counts, such as ``orders.placed``, has happened in the present request."""
        self._exposures.outcomes.tracked(event)

    def close(self) -> None:
        """End the stream, tell what was counted. The flags stay as they are."""
        if self._closed:
            return
        self._closed = True
        if self._follower is not None:
            self._follower.stop()

    def __enter__(self) -> "Flags":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # Inside

    def _asked(self, kind: Kind, name: str, context: Optional[Context], default: Any) -> Any:
        """The long way, which the first question takes: from then on there is a function."""
        details = self.details(name, context, default, kind=kind)
        if details.variant is not None:
            self._compiled.function(name)
        return details.value

    def _details(self, name: str, context: Optional[Context], default: Any, kind: Optional[Kind]) -> Details:
        self._wake()
        compiled = self._compiled
        flag = compiled.document.flags.get(name)
        if flag is None:
            if not self._has_document.is_set():
                return _failed(default, ErrorCode.PROVIDER_NOT_READY, "There are no flags yet.")
            says = f"There is no flag {str(name)[:100]!r} in revision {compiled.document.revision}."
            return _failed(default, ErrorCode.FLAG_NOT_FOUND, says)
        if kind is not None and flag.kind is not kind:
            return _failed(default, ErrorCode.TYPE_MISMATCH, f"{name} is a {flag.kind.value}, not a {kind.value}.")
        if context is None:
            context = _NONE
        elif not _is_mapping(context):
            return _failed(
                default, ErrorCode.INVALID_CONTEXT, f"A context is a mapping, not a {type(context).__name__}."
            )
        outcome = compiled.outcome(name, context)
        if outcome.variant is None:
            says = f"{name} is served to a percentage, and the context has no {flag.unit} to tell by."
            return _failed(default, outcome.error or ErrorCode.GENERAL, says)
        if self._counting:
            self._exposures.note(flag, outcome.variant, context)
            if flag.watched:
                self._exposures.noting(flag, outcome)()
        value = flag.variants[outcome.variant]
        return Details(
            copied(value) if flag.kind is Kind.OBJECT else value, outcome.variant, outcome.reason, outcome.rule
        )

    def _wake(self) -> None:
        """From the first question on, and from the first in a child on."""
        if self._now is _ASLEEP and (self._follower is None or self._closed or self._follower.start()):
            with self._exchanging:
                self._now = self._compiled
            # A child of multiprocessing ends without what `atexit` has; where it is used, it has the like of its own.
            util: Any = sys.modules.get("multiprocessing.util")
            if util is not None:
                util.Finalize(None, _call, args=(weakref.ref(self), Flags.close), exitpriority=0)

    def _adopt(self, document: Document) -> None:
        before = self._compiled.document
        listeners = self._put(document)
        self._has_document.set()
        if not listeners:
            return
        changed = differing(before, document)
        for listener, wanted in listeners:
            heard = changed & wanted if wanted else changed
            if heard:
                try:
                    listener(heard)
                except Exception:  # noqa: BLE001 - logged whole; what a listener does is no matter of the flags
                    _log.exception("A listener to changes of flags failed.")

    def _turned(self, fresh: bool) -> None:
        for listener in self._watchers:
            try:
                listener(self.status())
            except Exception:  # noqa: BLE001 - logged whole, as above
                _log.exception("A listener to the status of flags failed.")

    def _put(self, document: Document) -> "list[tuple[Listener, frozenset[str]]]":
        """One reference is exchanged: whoever evaluates has the old flags or the new ones, and never some of each.

        Returns who listened at that moment: who does so later has the new flags, and no change to be told of.
        """
        with self._exchanging:
            counting = self._exposures if self._counting else None
            self._compiled = Compiled(document, counting, self._compiled)
            self._exposures.outcomes.watching = self._counting and any(one.watched for one in document.flags.values())
            if self._now is not _ASLEEP or self._follower is None:
                self._now = self._compiled
            return self._listeners

    def _after_fork(self) -> None:
        """The child has no thread but the one that forked, and locks as they were at that moment: it gets new ones."""
        had = self._has_document.is_set()
        self._has_document = threading.Event()
        self._exchanging = threading.Lock()
        if had:
            self._has_document.set()
        self._exposures.after_fork()
        for one in tuple(self._bound):
            one.after_fork()
        if self._follower is not None:
            self._follower.after_fork()
            self._now = _ASLEEP


def copied(value: Any) -> Any:
    """JSON, copied: a caller may do with it what it likes."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def _is_mapping(what: Any) -> bool:
    return isinstance(what, Mapping)  # callers without types give other things


def _failed(default: Any, code: ErrorCode, says: str) -> Details:
    return Details(default, None, Reason.ERROR, None, code, says)


def _call(whom: "weakref.ref[Flags]", what: "Callable[[Flags], None]") -> None:
    flags = whom()
    if flags is not None:
        what(flags)
