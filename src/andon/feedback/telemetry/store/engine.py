"""The database of telemetry, as the rest of the room sees it: statements and columns.

ClickHouse's SQL everywhere, through ClickHouse's own client: in this process (chDB, one process owns the folder), over
the Unix socket of the process that owns it, or at the URL of a server.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode, urlsplit

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from andon.feedback.telemetry.store.liveness import FRESH_SECONDS, Liveness, ping_over
from andon.kernel.errors import Unavailable
from andon.kernel.sockets import connect_pinned

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection
    from clickhouse_connect.driver.client import Client
    from numpy.typing import NDArray

Value = str | int | float | Sequence[int] | Sequence[str]
"""What may stand for ``{name:Type}`` in a statement. Nothing else of a statement ever comes from outside."""

_HANDLES = 8
_CONNECT_SECONDS = 2
_ANSWER_SECONDS = 25

DATABASE = "andon"
_QUIET = {"calculate_text_stack_trace": "0"}
"""A refused statement would make the engine look up its own functions, with every library of the process open for
ever."""

# it warns of each failure that it raises as well: a store that is away for an hour would fill the log
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)


class StoreError(Exception):
    """The database refused a statement: a fault of ours, or a bound that was reached. ``code`` is ClickHouse's."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Column:
    """One column of what is written: its name, ClickHouse's type, and the values."""

    name: str
    type: str
    values: Sequence[object] | NDArray[np.generic]


class Engine:
    """Statements, each on a connection of its own: safe to use from every thread.

    With a ``liveness`` nobody waits for a store that hangs.
    """

    def __init__(self, connect: Callable[[], Client], liveness: Liveness | None = None) -> None:
        self._connect, self._liveness = connect, liveness
        self._idle: LifoQueue[Client] = LifoQueue()
        self._handles = threading.Semaphore(_HANDLES)
        self._closed = False

    def command(self, sql: str, values: Mapping[str, Value] | None = None, **settings: str | int) -> None:
        """Run a statement that answers nothing. Raises ``Unavailable`` or :class:`StoreError`."""
        with self._borrowed() as client:
            client.command(sql, parameters=dict(values or {}), settings=dict(settings))

    def rows(
        self, sql: str, values: Mapping[str, Value] | None = None, **settings: str | int
    ) -> Sequence[Sequence[object]]:
        with self._borrowed() as client:
            return client.query(sql, parameters=dict(values or {}), settings=dict(settings)).result_rows

    def arrays(
        self, sql: str, values: Mapping[str, Value] | None = None, **settings: str | int
    ) -> tuple[NDArray[np.generic], ...]:
        """The columns of the answer, for numbers only; none of an answer without rows."""
        with self._borrowed() as client:
            found = client.query_np(sql, parameters=dict(values or {}), settings=dict(settings))
            if not found.size:
                return ()
            if found.dtype.names is None:  # columns of one type come as one matrix
                return tuple(np.ascontiguousarray(found[:, place]) for place in range(found.shape[1]))
            return tuple(np.ascontiguousarray(found[name]) for name in found.dtype.names)

    def insert(self, table: str, columns: Sequence[Column], *, token: str = "") -> None:
        """Write rows; they survive the end of the process once this returns. Rows of a ``token`` are written once."""
        # without a token the engine would take two equal batches for one that is sent again
        settings = {"insert_deduplication_token": token or os.urandom(16).hex()}
        values: list[Sequence[object]] = [one.values for one in columns]  # type: ignore[misc]  # arrays serve as well
        with self._borrowed() as client:
            client.insert(
                table,
                values,
                column_names=[one.name for one in columns],
                column_type_names=[one.type for one in columns],
                column_oriented=True,
                settings=settings,
            )

    def close(self) -> None:
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _borrowed(self) -> Iterator[Client]:
        with self._handle():
            try:
                client = self._idle.get_nowait()
            except Empty:
                client = self._fresh()
            sound = False
            try:
                yield client
                sound = True
                self._answered()
            except OperationalError as error:  # the way to the database failed, not the database
                raise _silent() from error
            except DatabaseError as error:
                sound = True  # it answered: the connection is as good as before
                self._answered()
                raise StoreError(str(error), getattr(error, "code", None)) from error
            except (ClickHouseError, HTTPError, OSError) as error:
                raise _silent() from error
            finally:
                if sound and not self._closed:
                    self._idle.put(client)
                else:
                    client.close()

    @contextmanager
    def _handle(self) -> Iterator[None]:
        """Raises ``Unavailable`` when the store hangs, then or while others have all the handles."""
        if self._liveness is None:
            self._handles.acquire()
        else:
            self._liveness.require()
            while not self._handles.acquire(timeout=FRESH_SECONDS):
                self._liveness.require()
        try:
            yield
        finally:
            self._handles.release()

    def _answered(self) -> None:
        if self._liveness is not None:
            self._liveness.answered()

    def _fresh(self) -> Client:
        try:
            return self._connect()
        except (ClickHouseError, HTTPError, OSError) as error:
            raise _silent() from error


def _silent() -> Unavailable:
    return Unavailable(
        "The telemetry store does not answer.",
        safe="Deployments and everything else go on without it.",
        remedy="`andon status` says how the telemetry process is; its log is log/telemetry.log in the data directory.",
    )


class EmbeddedEngine(Engine):
    """The database in this process, in ``folder``, which no other process may open meanwhile, and this one only one.

    ``backups`` is the one folder to which copies may be written, ``memory`` the bytes that all statements together may
    take. Misspelt options are ignored without a word: tests/feedback/telemetry/store looks that these arrive.
    """

    def __init__(self, folder: Path, *, backups: Path | None = None, memory: int = 2 * 1024**3) -> None:
        for made in (folder.parent, folder):  # `parents=True` would leave the one between open to others
            made.mkdir(exist_ok=True, mode=0o700)
        self._folder = folder.resolve()
        self._options = {
            "max_server_memory_usage": str(memory),
            "mark_cache_size": str(memory // 8),
            "primary_index_cache_size": str(memory // 8),
            "index_mark_cache_size": str(memory // 16),
            "background_pool_size": "2",
        }
        if backups is not None:
            backups.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._options["backups.allowed_path"] = str(backups.resolve())
        super().__init__(lambda: self._client(DATABASE))
        with closing(self._client(None)) as first:
            first.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")

    def connect_bare(self) -> Connection:
        """A connection without the client, for one thread: whoever passes on what a client elsewhere has written."""
        import chdb  # noqa: PLC0415 - 150 MB that only the process with the store in it should carry

        bare = chdb.connect(f"{self._folder}?{urlencode(self._options)}")
        bare.query(f"USE {DATABASE}")
        for name, value in _QUIET.items():
            bare.query(f"SET {name} = {value}")
        return bare

    def _client(self, database: str | None) -> Client:
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(self._folder),
            database=database,
            chdb_options=self._options,
            settings=dict(_QUIET),
        )


def at_url(url: str) -> Engine:
    """A ClickHouse server: ``http(s)://user:password@host:port/database``."""
    parts = urlsplit(url)

    def connect() -> Client:
        return clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname or "localhost",
            port=parts.port or 0,
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=parts.path.strip("/") or DATABASE,
            connect_timeout=_CONNECT_SECONDS,
            send_receive_timeout=_ANSWER_SECONDS,
            autogenerate_session_id=False,
        )

    return Engine(connect)


def over_socket(path: Path) -> Engine:
    """The database of the process that listens on this Unix socket; see :mod:`andon.feedback.telemetry.store.door`."""

    class Connection(HTTPConnection):
        def connect(self) -> None:
            self.sock = connect_pinned(path, _ANSWER_SECONDS)

        def _new_conn(self) -> socket.socket:
            return connect_pinned(path, _ANSWER_SECONDS)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    manager = PoolManager(maxsize=_HANDLES, retries=False)
    manager.pool_classes_by_scheme = {"http": Pool}

    def connect() -> Client:
        return clickhouse_connect.get_client(
            host="telemetry",
            port=80,
            database=DATABASE,
            pool_mgr=manager,
            compress=False,
            query_retries=0,
            send_receive_timeout=_ANSWER_SECONDS,
            autogenerate_session_id=False,
        )

    return Engine(connect, Liveness(lambda: ping_over(path)))
