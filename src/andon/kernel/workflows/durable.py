"""Durable workflows on DBOS: each finished step is on the disk before the next begins.

What is particular about DBOS is dealt with here, once:

- Work belongs to an executor id, and only that one takes it up again. So the id is fixed, a :class:`Lease` keeps two
  live processes from sharing it, and the work of other ids whose process is gone is taken over.
- Work belongs to a version of the code, and another version leaves it alone. So the version is pinned: a changed
  order of steps gets a new workflow name instead (see :class:`Workflow`).
- After 100 recoveries it gives a workflow up. So the limit is lifted: a machine that crashes often has to finish, too.
- It stores Python pickles. So plain JSON is stored, and a pickle in the database is refused instead of executed.
"""

from __future__ import annotations

import contextvars
import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import dbos._serialization
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from andon.kernel.db.engine import SqliteConnection, use_write_ahead_log
from andon.kernel.errors import Invalid, Unavailable
from andon.kernel.workflows.lease import Lease
from andon.kernel.workflows.outcomes import answered, as_andon_error, raised, replay
from andon.kernel.workflows.ports import Interrupted, Primitive, Workflow

VERSION = "1"
"""Never changes: work recorded by one release must be taken up by the next."""

_FAILED = ("ERROR", "CANCELLED")
_ENDED = ("SUCCESS", *_FAILED)
_BATCH = 200
"""Workflows forgotten in one transaction: nobody else should have to wait for long."""

_P = TypeVar("_P", bound=Primitive)
_log = logging.getLogger(__name__)


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """No workflow of this name in this release: kept until a release has it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One started workflow that has not come to its proper end."""

    key: str
    workflow: str
    subject: str
    state: State
    since: datetime
    lives: int
    """How often it was begun: one more than Andon died over it."""
    error: str = ""


class DurableWorkflows:
    """The :class:`~andon.kernel.workflows.ports.Workflows` port, durable. At most one is launched in a process.

    ``database`` is the path of a SQLite file of its own, or ``postgresql://…`` (tables go to the schema ``dbos``).
    ``executor`` names this worker: lower-case letters, digits and hyphens. ``leases`` is the folder of the locks;
    by default that of the SQLite file. Every started workflow has a thread of its own, without a limit.
    """

    def __init__(
        self,
        database: str | Path,
        workflows: Sequence[Workflow],
        *,
        executor: str = "worker",
        leases: Path | None = None,
        poll_seconds: float = 0.2,
        takeover_seconds: float = 30.0,
    ) -> None:
        self._url = sa.make_url(database) if isinstance(database, str) else _sqlite_url(database)
        if leases is None and self._url.get_backend_name() != "sqlite":
            raise ValueError("with PostgreSQL the folder of the leases has to be given")
        if not re.fullmatch(r"[a-z0-9-]{1,40}", executor):
            raise Invalid(f"{executor!r} cannot name a worker.", remedy="Use lower-case letters, digits and hyphens.")
        self._leases = leases or Path(str(self._url.database)).parent
        self._workflows = {workflow.name: workflow for workflow in workflows}
        if len(self._workflows) != len(workflows):
            raise ValueError("two workflows have one name")
        self._executor = executor
        self._lease = Lease(self._leases, executor)
        self._poll = poll_seconds
        self._takeover = takeover_seconds
        self._launched: dict[str, Callable[[str], None]] = {}
        self._instance: DBOS | None = None
        self._engine: sa.Engine | None = None
        self._reaper: threading.Thread | None = None
        self.stopping = threading.Event()
        """Set when Andon is about to stop: a step that waits long watches it and raises :class:`Interrupted`."""

    def launch(self) -> None:
        """Take up what an earlier life left and be ready for :meth:`start`.

        Raises :class:`Conflict` when a live process has this executor id.
        """
        self._lease.take()
        try:
            self._launch()
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            self._lease.give_back()
            raise
        for work in self.pending():
            if work.state is State.UNKNOWN:
                _log.error(
                    "workflow %s over %s (%s) was left by a release that knew it; it is kept, and this release "
                    "cannot go on with it",
                    work.workflow,
                    work.subject,
                    work.key,
                )
        self._reaper = threading.Thread(target=self._reap, name="workflow-reaper", daemon=True)
        self._reaper.start()

    def start(self, workflow: str, subject: str, *, key: str | None = None) -> None:
        """Start ``workflow`` over ``subject``; does nothing when it was started before under the same key.

        Raises :class:`Unavailable` before :meth:`launch` and after :meth:`stop`.
        """
        if workflow not in self._workflows:
            raise ValueError(f"no workflow is called {workflow!r}")
        if self._instance is None or self.stopping.is_set():
            raise Unavailable(
                "Andon's worker is not running, so nothing can be started now.",
                safe="Nothing was started.",
                remedy="Try again once `andon status` shows the worker.",
            )
        # A context of its own: started from within a step, it would otherwise become a part of that workflow.
        contextvars.Context().run(self._start, workflow, subject, key or f"{workflow}:{subject}")

    def stop(self, timeout: float = 10.0) -> bool:
        """Stop within ``timeout`` seconds; whether all work had come to rest. What had not is resumed at the next
        launch.

        After ``False`` steps are still running in threads that Python waits for at its end: leave with ``os._exit``.
        The lease is kept until then, so that no other process repeats those steps beside them.
        """
        self.stopping.set()
        instance = self._instance
        if instance is None:
            return True
        deadline = time.monotonic() + timeout
        while instance._active_workflows_set.activeList() and time.monotonic() < deadline:
            time.sleep(0.01)
        rested = not instance._active_workflows_set.activeList()
        self._instance = None
        if self._reaper is not None:
            self._reaper.join()
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()
        if rested:
            self._lease.give_back()
        return rested

    def pending(self) -> tuple[Work, ...]:
        """What was started and has not ended, oldest first."""
        return self._works(("PENDING", "ENQUEUED", "DELAYED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"))

    def failed(self) -> tuple[Work, ...]:
        """What has ended with an error, oldest first."""
        return self._works(_FAILED)

    def forget(self, before: datetime) -> int:
        """Remove what ended before then, with the records of its steps; how many workflows that were.

        It is by these records that a start happens once: nobody may ask again for what is forgotten.
        """
        forgotten = 0
        while (instance := self._instance) is not None and not self.stopping.is_set():
            table = instance._sys_db.tables.workflow_status
            ended = sa.func.coalesce(table.c.completed_at, table.c.updated_at)
            query = sa.select(table.c.workflow_uuid).where(
                table.c.status.in_(_ENDED), ended < int(before.timestamp() * 1000)
            )
            with instance._sys_db.engine.begin() as connection:
                found = list(connection.execute(query.limit(_BATCH)).scalars())
            if not found:
                break
            instance._sys_db.delete_workflows(found)
            forgotten += len(found)
        return forgotten

    def _launch(self) -> None:
        # Without a handler of its own DBOS would write to the console instead of into our log.
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
            logger.addFilter(_said_already)
        url = self._url.render_as_string(hide_password=False)
        config: DBOSConfig = {
            "name": "andon",
            "system_database_url": url,
            "application_version": VERSION,
            "executor_id": self._executor,
            "serializer": dbos._serialization.DBOSPortableJSON,
            "log_level": "WARNING",
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 0.1,  # not used by us; its pause delays the end
        }
        if self._url.get_backend_name() == "sqlite":
            self._engine = _sqlite_engine(self._url)
            config["system_database_engine"] = self._engine
        instance = DBOS(config=config)
        self._launched = {name: self._register(workflow) for name, workflow in self._workflows.items()}
        # Recovered work goes through this queue; its usual pace would add a second to every restart.
        instance._registry.get_internal_queue()._polling_interval_sec = self._poll
        DBOS.launch()
        self._instance = instance

    def _register(self, workflow: Workflow) -> Callable[[str], None]:
        def run(subject: str) -> None:
            try:
                workflow.run(self._step, subject)
            except Exception as error:
                if self.stopping.is_set():
                    raise Interrupted from error  # not recorded: the next life finds out for itself
                # Not with exc_info: what a repository put into the message might be writable nowhere.
                trace = _writable("".join(traceback.format_exception(error)))
                _log.error("workflow %s over %s ended with an error\n%s", workflow.name, _writable(subject), trace)
                raise RuntimeError(_writable(f"{type(error).__name__}: {error}")) from None

        return DBOS.workflow(name=workflow.name, max_recovery_attempts=None)(run)

    def _start(self, workflow: str, subject: str, key: str) -> None:
        with SetWorkflowID(key):
            DBOS.start_workflow(self._launched[workflow], subject)

    def _step(self, name: str, action: Callable[[], _P]) -> _P:
        if self.stopping.is_set():
            raise Interrupted
        first: list[BaseException] = []

        def perform() -> str:
            try:
                return answered(action())
            except Exception as error:  # noqa: BLE001 - recorded, then raised again below
                first.append(error)
                return raised(as_andon_error(error, name))

        record = DBOS.run_step({"name": name}, perform)
        if first and isinstance(first[0], Exception):
            error = as_andon_error(first[0], name)
            raise error from (None if error is first[0] else first[0])
        return cast(_P, replay(record))

    def _reap(self) -> None:
        while not self.stopping.is_set():
            try:
                self._take_over()
            except Exception:  # noqa: BLE001 - logged whole; the next round may succeed
                _log.exception("the work of workers that are gone could not be taken over")
            self.stopping.wait(self._takeover)

    def _take_over(self) -> None:
        for executor in self._other_executors():
            lease = Lease(self._leases, executor)
            # An id that is none of ours has no lock that could be held.
            with_lock = re.fullmatch(r"[a-z0-9-]{1,40}", executor) is not None
            if with_lock and not lease.try_take():
                continue
            try:
                taken = DBOS._recover_pending_workflows([executor])
                if taken:
                    _log.warning("took over %d workflows of worker %s, which is gone", len(taken), executor)
            finally:
                lease.give_back()

    def _other_executors(self) -> list[str]:
        if self._instance is None:
            return []
        table = self._instance._sys_db.tables.workflow_status
        query = sa.select(table.c.executor_id).distinct().where(table.c.status == "PENDING")
        with self._instance._sys_db.engine.begin() as connection:
            found = connection.execute(query).scalars().all()
        return [executor for executor in found if executor and executor != self._executor]

    def _works(self, statuses: Sequence[str]) -> tuple[Work, ...]:
        if self._instance is None:
            return ()
        return tuple(
            Work(
                key=status.workflow_id,
                workflow=status.name,
                subject=_subject(status.input),
                state=self._state(status.status, status.name),
                since=datetime.fromtimestamp((status.created_at or 0) / 1000, UTC),
                lives=status.recovery_attempts or 0,
                error="" if status.error is None else str(status.error),
            )
            for status in DBOS.list_workflows(status=list(statuses))
        )

    def _state(self, status: str, name: str) -> State:
        if status in _FAILED:
            return State.FAILED
        if name not in self._workflows:
            return State.UNKNOWN
        return State.RUNNING if status == "PENDING" else State.WAITING


def _writable(text: str) -> str:
    """Without what UTF-8 and PostgreSQL cannot hold."""
    return text.replace("\0", "�").encode("utf-8", "backslashreplace").decode()


def _subject(inputs: object) -> str:
    # What could not be read comes as text instead of as a mapping.
    arguments = inputs.get("args") if isinstance(inputs, dict) else None
    return str(arguments[0]) if isinstance(arguments, tuple | list) and arguments else ""


def _sqlite_url(path: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(path))


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    # Few connections: a writer waits here in line, instead of asleep within SQLite, which favours nobody.
    engine = sa.create_engine(url, pool_size=POOL, max_overflow=0, pool_timeout=120.0)

    def set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        sqlite = cast(SqliteConnection, connection)
        sqlite.isolation_level = "IMMEDIATE"  # as DBOS sets it on an engine of its own
        for pragma in ("busy_timeout=30000", "synchronous=FULL", "foreign_keys=ON"):
            sqlite.execute(f"PRAGMA {pragma}")
        use_write_ahead_log(sqlite)

    event.listen(engine, "connect", set_up)
    return engine


POOL = 4


def _said_already(record: logging.LogRecord) -> bool:
    # We log a workflow's error ourselves, with the workflow's name and subject.
    return not record.getMessage().startswith("Exception encountered in background workflow")


def _refuse_pickle(*_arguments: object) -> NoReturn:
    raise ValueError("a pickle in the workflows' database is not read: it could run any code")


# The database's rows choose how they are decoded, so a forged row would choose pickle.
dbos._serialization.DefaultSerializer.deserialize = _refuse_pickle  # type: ignore[assignment]  # see the line above
