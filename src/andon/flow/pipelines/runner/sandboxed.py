"""Runs jobs in sandboxes of this machine: workspace, caches, services, command, reports, package."""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from andon.flow.artifacts.contract import Artifacts, PackageInvalid
from andon.flow.definition.contract import HelperService, Network
from andon.flow.environments.contract.equipment import BARE, Equipper, Occupant, Purpose, outfitted, version_of
from andon.flow.pipelines.contract import FailureKind, JobId, JobState, RunId
from andon.flow.pipelines.folders import RunFolders, remove_tree
from andon.flow.pipelines.model import WITH_FLAGS, JobKind, JobResult, JobTask, Package, TestCase
from andon.flow.pipelines.runner.caches import Caches, CacheUse
from andon.flow.pipelines.runner.disk import DiskGuard
from andon.flow.pipelines.runner.migrations import check_files, check_printed, to_be_printed
from andon.flow.pipelines.runner.process import GRACE, Cause, Ended, Supervision, run_sandbox
from andon.flow.pipelines.runner.reports import read_reports
from andon.flow.pipelines.runner.script import SERVICE_LOGS, command_line
from andon.flow.pipelines.runner.workspaces import INSIDE, Trees, Workspace, can_overlay, clear_stale, workspace
from andon.flow.schema.contract import SchemaCheck
from andon.flow.sources.contract import Service, Sources
from andon.kernel.errors import AndonError, Unavailable
from andon.kernel.keeper.ways import Transport, WayOut
from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.limits import Limiter, Promise, best_limiter
from andon.kernel.sandbox.model import Limits, Mount, SandboxSpec
from andon.kernel.sandbox.spool import end_orphans
from andon.kernel.settings import JobSettings

_SERVICE_TAIL = 256 * 1024
_LARGEST_FILE = 64 * 1024**3
_log = logging.getLogger(__name__)
_ENTRY_INSIDE = "/run/andon/environment.sock"


class SandboxRunner:
    """Implements :class:`andon.flow.pipelines.ports.JobRunner`. One process at a time owns the data directory.

    Workspaces are removed when their job ends, whatever came of it: logs and reports tell what happened, and
    ``andon run`` makes the same workspace again.
    """

    def __init__(
        self,
        *,
        data: Path,
        settings: JobSettings,
        sources: Sources,
        artifacts: Artifacts,
        check: SchemaCheck,
        disk: DiskGuard | None = None,
        overlay: bool | None = None,
        grace: float = GRACE,
        entry: Callable[[Service, str], Path] | None = None,
        equipper: Equipper = BARE,
    ) -> None:
        """``overlay`` forces one kind of workspace; else what the machine can do is found out at the first job.

        ``grace`` is the seconds between SIGTERM and SIGKILL. ``entry`` tells the Unix socket of an environment, by
        which a job without the machine's network reaches the one its stage deployed to. ``equipper`` tells what upper
        rooms give to jobs.
        """
        self.folders = RunFolders(data / "runs")
        self.folders.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._settings = settings
        self._artifacts = artifacts
        self._sources = sources
        self._check = check
        self._trees = Trees(self.folders, sources)
        self._caches = Caches(data / "caches")
        self._disk = disk or DiskGuard(data)
        self._overlay = overlay
        self._grace = grace
        self._entry = entry
        self._equipper = equipper
        self._limiter: Limiter | None = None
        self._toolchains = tuple(Path(one) for one in settings.toolchains)

    def run(self, task: JobTask, stopping: Callable[[], bool]) -> JobResult:
        started = time.monotonic()
        try:
            result = self._run(task, stopping)
        except AndonError as error:
            result = _failed(FailureKind.SETUP, str(error))
        except OSError as error:
            kind = FailureKind.DISK if error.errno in {errno.ENOSPC, errno.EDQUOT} else FailureKind.SETUP
            result = _failed(kind, f"Andon could not run the job: {error}")
        return replace(result, seconds=time.monotonic() - started)

    def end_orphans(self) -> tuple[JobId, ...]:
        ended = end_orphans(self.folders.sandboxes)
        clear_stale(self.folders.root)
        return tuple(JobId(one.rpartition(".")[0]) for one in ended)

    def release(self, run: RunId) -> None:
        self._trees.forget(run)

    def forget(self, run: RunId) -> None:
        self._trees.forget(run)
        remove_tree(self.folders.run(run))

    def expire_caches(self) -> int:
        """Remove caches that nobody has used for a long time; how many."""
        return self._caches.expire()

    # One attempt

    def _run(self, task: JobTask, stopping: Callable[[], bool]) -> JobResult:
        folder = self.folders.attempt(task.run, task.job, task.attempt)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self._settings.log_bytes // 2
        log = LogWriter(folder / "log", head=half, tail=half)
        try:
            result = self._attempt(task, stopping, folder, log)
        except AndonError as error:
            _say(log, str(error))
            raise
        finally:
            with suppress(OSError):  # a full disk: what is in the log stays readable
                log.close()
        return result

    def _attempt(self, task: JobTask, stopping: Callable[[], bool], folder: Path, log: LogWriter) -> JobResult:
        log.section("setup")
        self._disk.require_room()
        tree = self._trees.get(task.run, task.service, task.commit)
        if stopping():
            return JobResult(outcome=JobState.CANCELLED, reason="cancelled")
        if task.kind is JobKind.PACKAGE and not task.definition.command.strip():
            return self._pack(task, tree, log)
        if task.kind is JobKind.MIGRATIONS:
            log.section("migrations")
            if task.whole.migrations.sql is None:
                return check_files(task, tree, self._sources, self._check, lambda text: _say(log, text))
            task = to_be_printed(task)
        with ExitStack() as stack:
            overlay = self._can_overlay() and task.kind is not JobKind.PACKAGE
            place = stack.enter_context(workspace(folder, tree, overlay=overlay))
            caches = tuple(
                stack.enter_context(
                    self._caches.use(
                        task.service,
                        path,
                        branch=task.branch,
                        default_branch=task.default_branch,
                        workspace=place,
                        layers=folder / "layers",
                    )
                )
                for path in task.definition.caches
            )
            stack.callback(remove_tree, folder / "layers")
            _say(log, _introduction(task, caches))
            services = tuple(one for one in task.whole.services if one.name in task.definition.services)
            ended = self._sandbox(task, stopping, folder, place, caches, services, log)
            tests = self._reports(task, place, log)
            result = _result(task, ended, services)
            if result.outcome is JobState.PASSED and task.kind is JobKind.MIGRATIONS:
                result = check_printed(task, place.changes, self._check, lambda text: _say(log, text))
            if result.outcome is JobState.PASSED and task.kind is JobKind.PACKAGE:
                result = self._pack(task, place.changes, log)
            if result.outcome is JobState.PASSED:
                for cache in caches:
                    if (note := self._caches.publish(cache)) is not None:
                        _say(log, note)
            elif result.reason:
                _say(log, result.reason)
            return replace(result, tests=tests)

    def _sandbox(
        self,
        task: JobTask,
        stopping: Callable[[], bool],
        folder: Path,
        place: Workspace,
        caches: tuple[CacheUse, ...],
        services: tuple[HelperService, ...],
        log: LogWriter,
    ) -> Ended:
        mounts = [place.mount, *(cache.mount for cache in caches)]
        service_logs = folder / "services"
        if services:
            remove_tree(service_logs)
            service_logs.mkdir()
            mounts.append(Mount(service_logs, SERVICE_LOGS, writable=True))
        wanted = task.definition
        ways, way_mounts = self._way_to_environment(task)
        outfit = outfitted(
            self._equipper,
            Occupant(
                purpose=Purpose.JOB,
                service=task.service,
                environment=task.environment,
                id=task.job,
                commit=task.commit,
            ),
            command_line(wanted.command, services),
            own_network=wanted.network is Network.NONE,
            own=wanted.environment.keys(),
            ways_out=ways,
        )
        mounts += (*way_mounts, *outfit.mounts)
        spec = SandboxSpec(
            argv=outfit.argv,
            directory=INSIDE,
            environment={**outfit.variables, **_environment(task)},
            mounts=tuple(mounts),
            network=wanted.network is Network.HOST,
            limits=Limits(
                memory=min(wanted.memory, self._settings.memory_max),
                cpus=wanted.cpus or None,
                processes=wanted.processes,
                file_size=max(1, min(self._disk.room(), _LARGEST_FILE)),
            ),
            hostname=re.sub("[^A-Za-z0-9.-]+", "-", task.name)[:60].strip("-.") or "job",
        )
        log.section("services" if services else "command")
        with self._disk.watch(folder) as disk_full:
            supervision = Supervision(timeout=wanted.timeout, stopping=stopping, disk_full=disk_full, grace=self._grace)
            try:
                return run_sandbox(
                    spec,
                    id=f"{task.job}.{task.attempt}",
                    state=self.folders.sandboxes,
                    log=log,
                    supervision=supervision,
                    limiter=self._limits(),
                    toolchains=self._toolchains,
                    on_started=(lambda: log.section("command")) if services else None,
                )
            finally:
                for number, service in enumerate(services):
                    log.section(f"service {service.name}")
                    with suppress(OSError):
                        log.write(_tail(service_logs / f"{number}.log"))
                if services:
                    remove_tree(service_logs)

    def _way_to_environment(self, task: JobTask) -> tuple[tuple[WayOut, ...], tuple[Mount, ...]]:
        """What makes ``$ANDON_URL`` answer inside the sandbox."""
        if task.environment is None or task.url is None or self._entry is None:
            return (), ()
        entry = self._entry(task.service, task.environment)
        if task.definition.network is Network.HOST or not entry.exists():
            return (), ()
        way = WayOut(Transport.TCP, urlsplit(task.url).port or 80, _ENTRY_INSIDE)
        return (way,), (Mount(entry, _ENTRY_INSIDE, writable=True),)

    def _reports(self, task: JobTask, place: Workspace, log: LogWriter) -> tuple[TestCase, ...]:
        if not task.definition.reports:
            return ()
        log.section("reports")
        found: list[TestCase] = []
        unchanged_in = None if place.overlaid else place.tree
        for one in read_reports(place.changes, task.definition.reports, unchanged_in=unchanged_in):
            if isinstance(one, str):
                _say(log, one)
            else:
                found.append(one)
        _say(log, f"{len(found)} test cases were reported.")
        return tuple(found)

    def _pack(self, task: JobTask, tree: Path, log: LogWriter) -> JobResult:
        package = task.whole.package
        assert package is not None  # noqa: S101 - only a definition with a package has a package job
        log.section("package")
        try:
            digest, size, files = self._artifacts.pack(tree, package.files)
        except PackageInvalid as error:
            _say(log, str(error))
            return _failed(FailureKind.PACKAGE, error.message)
        except Unavailable as error:
            _say(log, str(error))
            return _failed(FailureKind.DISK, error.message)
        _say(log, f"Packed {files} {'file' if files == 1 else 'files'}, {size:,} bytes: {digest}")
        return JobResult(outcome=JobState.PASSED, exit_code=0, package=Package(digest=digest, size=size, files=files))

    def _limits(self) -> Limiter:
        # Not before the first job: looking may move the process into another control group.
        if self._limiter is None:
            weaken = frozenset[Promise]() if self._settings.require_limits else frozenset(Promise)
            self._limiter = best_limiter(may_weaken=weaken)
        return self._limiter

    def _can_overlay(self) -> bool:
        if self._overlay is None:
            self._overlay = can_overlay(self.folders.root)
            if not self._overlay:
                _log.warning("the data directory cannot carry overlays: every job gets a copy of its tree")
        return self._overlay


def _environment(task: JobTask) -> Mapping[str, str]:
    own = {
        "ANDON_SERVICE": task.service,
        "ANDON_COMMIT": task.commit,
        "ANDON_VERSION": version_of(task.commit),
        "ANDON_BRANCH": task.branch,
        "ANDON_RUN": task.run,
        "ANDON_STAGE": task.stage,
        "ANDON_JOB": task.name,
        "ANDON_ATTEMPT": str(task.attempt),
    }
    if task.environment is not None:
        own["ANDON_ENVIRONMENT"] = task.environment
    if task.flags is not None:
        own["ANDON_FLAGS_STATE"] = task.flags.value
    if task.url is not None:
        own["ANDON_URL"] = task.url
    return {**task.definition.environment, **own}


def _introduction(task: JobTask, caches: tuple[CacheUse, ...]) -> str:
    said = f"{task.name} of {task.service} at {task.commit[:12]}, attempt {task.attempt}"
    if task.flags is not None:
        said += f"; {task.environment} has {WITH_FLAGS[task.flags]}"
    if caches:
        said += "; caches: " + ", ".join(
            one.path if any(one.base.iterdir()) else f"{one.path} (empty)" for one in caches
        )
    return said


def _result(task: JobTask, ended: Ended, services: tuple[HelperService, ...]) -> JobResult:
    left = ended.exit
    match ended.cause:
        case Cause.REQUEST:
            return JobResult(outcome=JobState.CANCELLED, reason="cancelled", exit_code=left.code)
        case Cause.TIMEOUT:
            return _failed(FailureKind.TIMEOUT, f"it ran longer than {task.definition.timeout:g} s")
        case Cause.DISK:
            return _failed(FailureKind.DISK, "it filled the disk; what is left is kept for the record")
        case Cause.ITSELF:
            pass
    if left.ok:
        return JobResult(outcome=JobState.PASSED, exit_code=0)
    trouble = next((word.split() for word in ended.said if word.split()[:1] in (["ended"], ["late"])), None)
    if trouble is not None and "started" not in ended.said:
        return _failed(FailureKind.SETUP, _service_trouble(trouble, services))
    if not left.started:
        return _failed(FailureKind.SETUP, "the sandbox could not be set up; its log says why")
    if left.out_of_memory:
        return _failed(
            FailureKind.MEMORY, f"it took more than {task.definition.memory // 1024**2} MiB of memory", left.code
        )
    if left.signal == signal.SIGXFSZ:
        return _failed(FailureKind.DISK, "it wrote a file larger than the room that is left on the disk")
    if left.signal is not None:
        return _failed(FailureKind.SIGNAL, f"it was ended by {_signal(left.signal)}")
    return _failed(FailureKind.EXIT, f"it ended with exit code {left.code}", left.code)


def _service_trouble(said: list[str], services: tuple[HelperService, ...]) -> str:
    place = int(said[1]) if len(said) > 1 and said[1].isdecimal() else len(services)
    if place >= len(services):
        return "a service it needs did not become ready"
    service = services[place]
    if said[0] == "ended":
        return f"the service {service.name} ended before it was ready"
    return f"the service {service.name} was not ready within {service.ready_within:g} s"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _failed(kind: FailureKind, reason: str, exit_code: int | None = None) -> JobResult:
    return JobResult(outcome=JobState.FAILED, failure=kind, reason=reason[:2000], exit_code=exit_code)


def _say(log: LogWriter, text: str) -> None:
    with suppress(OSError):  # a full disk must not change how the job ended
        log.write(text.encode("utf-8", "replace") + b"\n")


def _tail(path: Path) -> bytes:
    """The end of a file that a job could put anything in the place of."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b""
        file.seek(max(0, found.st_size - _SERVICE_TAIL))
        return file.read(_SERVICE_TAIL)
