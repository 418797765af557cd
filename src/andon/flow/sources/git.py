"""Running git: where repositories lie, under which configuration, in which environment, for how long.

Nothing of the machine's or a user's git configuration takes part. One configuration file of ours holds for all
repositories and is written anew at each start, so that none of them keeps old settings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from andon.flow.sources.contract import NO_COMMIT, CommitHash, Service
from andon.flow.sources.model import BRANCHES, TAGS, Move, Update, is_hash, is_service_name, printable
from andon.kernel.errors import Conflict, Invalid, Missing, NotFound, Unavailable
from andon.kernel.files import write_whole

HOOKS = ("pre-receive", "post-receive")
HOOK_DESCRIPTOR = 9
LARGEST_PUSH = 2 * 1024**3
"""Bytes of a push's pack."""
PACKS = 40
"""With so many packs a repository is tidied: each slows git a little."""
LARGEST_OUTPUT = 64 * 1024**2
"""Bytes taken of one question's answer."""

# Hooks find pushes' settings here; see git-config(1) for what each means.
_CONFIGURATION = """\
[safe]
	directory = *
[core]
	hooksPath = {hooks}
	logAllRefUpdates = true
	fsync = committed,loose-object,reference
	fsyncMethod = batch
	preloadIndex = false
[http]
	receivepack = true
	uploadpack = true
	getanyfile = false
[receive]
	fsckObjects = true
	maxInputSize = {largest}
	advertisePushOptions = true
	advertiseAtomic = true
	autogc = false
	denyDeletes = false
	denyNonFastForwards = false
	denyDeleteCurrent = ignore
	keepAlive = 5
	# one file to flush to the disk instead of many; see Git.tidy
	unpackLimit = 1
[receive "fsck"]
	# faults of old tools, found in honest histories and harmless to whoever reads them
	badTimezone = warn
	missingSpaceBeforeDate = warn
	zeroPaddedFilemode = warn
[transfer]
	fsckObjects = true
	hideRefs = refs/andon
[uploadpack]
	allowFilter = true
	keepAlive = 5
[gc]
	# a commit no branch leads to may be what runs in production
	auto = 0
	pruneExpire = never
[maintenance]
	auto = false
[pack]
	threads = 2
	windowMemory = 64m
	deltaCacheSize = 64m
[protocol]
	version = 2
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said; ``status`` is its exit code."""

    status: int
    output: bytes
    complaint: str


class Git:
    """The installation's repositories, as files."""

    def __init__(self, folder: Path, *, largest_push: int = LARGEST_PUSH) -> None:
        """``folder`` holds the bare repositories; what serves them lies in ``.andon`` within it."""
        self.folder = folder
        self.own = folder / ".andon"
        self.scratch = self.own / "scratch"
        self.largest_push = largest_push
        self._executable: str | None = None
        self._backend: str | None = None

    @property
    def executable(self) -> str:
        """Raises :class:`Missing` on a machine without git."""
        if self._executable is None:
            self._executable = shutil.which("git")
        if self._executable is None:
            raise Missing("There is no git on this machine.", remedy="Install git 2.36 or newer.")
        return self._executable

    @property
    def backend(self) -> str:
        """The program that serves git over HTTP. Raises :class:`Missing` where it is not installed."""
        if self._backend is None:
            said = subprocess.run([self.executable, "--exec-path"], capture_output=True, check=True, timeout=30)
            found = Path(os.fsdecode(said.stdout.rstrip(b"\n")), "git-http-backend")
            if not found.is_file():
                raise Missing(
                    "This machine's git lacks http-backend, which serves pushes.",
                    remedy="Install git's package for serving over HTTP (git-daemon on Fedora and Alpine).",
                )
            self._backend = str(found)
        return self._backend

    def prepare(self) -> None:
        """Write the configuration and the hooks; to be called at each start, before anything else."""
        for folder in (self.folder.parent, self.folder, self.own, self.own / "hooks"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.scratch.mkdir(mode=0o700, exist_ok=True)
        for left in self.scratch.iterdir():  # another process may be at work here: only what a crash has left
            if time.time() - left.lstat().st_mtime > 86_400:
                shutil.rmtree(left, ignore_errors=True)
        hook = files(__package__).joinpath("receive-hook").read_bytes()
        for name in HOOKS:
            write_whole(self.own / "hooks" / name, hook, mode=0o700, durable=False)
        configuration = _CONFIGURATION.format(hooks=_quoted(str(self.own / "hooks")), largest=self.largest_push)
        write_whole(self.own / "config", configuration.encode(), mode=0o600, durable=False)

    def path(self, service: Service) -> Path:
        if not is_service_name(service):
            raise NotFound("There is no repository of that name.")
        return self.folder / f"{service}.git"

    def environment(self) -> dict[str, str]:
        """All that git sees of this process's environment, and what keeps it to our configuration."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.own),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.own / "config"),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def run(
        self,
        service: Service,
        *arguments: str,
        given: bytes = b"",
        environment: Mapping[str, str] | None = None,
        within: float = 30.0,
        limit: int = LARGEST_OUTPUT,
    ) -> Answer:
        """Run git in a repository.

        ``given`` goes to its input; of its output the first ``limit`` bytes come back. Raises ``NotFound``
        without such a repository and :class:`Unavailable` when it takes longer than ``within`` seconds.
        """
        path = self.path(service)
        if not path.is_dir():
            raise NotFound(f"There is no repository {service!r} on the disk.")
        # Files, not pipes: git may answer before it has read all, and complain while it answers.
        with tempfile.TemporaryFile() as question, tempfile.TemporaryFile() as complaints:
            question.write(given)
            question.seek(0)
            child = subprocess.Popen(
                [self.executable, f"--git-dir={path}", *arguments],
                stdin=question,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**self.environment(), **(environment or {})},
                cwd=self.own,
                start_new_session=True,
            )
            late = threading.Event()

            def stop() -> None:
                late.set()
                child.kill()

            timer = threading.Timer(within, stop)
            timer.daemon = True
            timer.start()
            try:
                assert child.stdout is not None  # noqa: S101 - a pipe was asked for
                output = child.stdout.read(limit)
                if len(output) == limit:
                    child.kill()
                status = child.wait()
            finally:
                timer.cancel()
                child.kill()
                child.wait()
                if child.stdout is not None:
                    child.stdout.close()
            complaints.seek(0)
            complaint = complaints.read(4000).decode("utf-8", "replace")
        if late.is_set():
            raise Unavailable(
                f"git {arguments[0]} on {service} took longer than {within:.0f} s and was stopped.",
                safe="Nothing was changed.",
                remedy="Try again when the machine is less busy.",
            )
        return Answer(status, output, printable(complaint.strip().replace("\n", "; ")))

    def create(self, service: Service, default_branch: str) -> None:
        """Make an empty bare repository, whole or not at all; a folder left by an earlier try is taken over."""
        final = self.path(service)
        beside = Path(tempfile.mkdtemp(dir=self.scratch))
        try:
            if not final.exists():
                made = subprocess.run(
                    [
                        self.executable,
                        "init",
                        "--quiet",
                        "--bare",
                        "--template=",
                        "--object-format=sha1",
                        f"--initial-branch={default_branch}",
                        "--",
                        str(beside),
                    ],
                    env=self.environment(),
                    cwd=self.own,
                    capture_output=True,
                    timeout=30,
                    check=False,
                )
                if made.returncode != 0:
                    raise Unavailable(
                        f"git could not make a repository: {printable(made.stderr.decode('utf-8', 'replace').strip())}",
                        safe="Nothing was created.",
                        remedy="Look at the free space of the data directory's disk.",
                    )
                try:
                    beside.rename(final)
                except OSError as error:
                    if not final.is_dir():
                        raise
                    raise Conflict(f"{service!r} is being made by somebody else now.") from error
            self.run(service, "symbolic-ref", "HEAD", BRANCHES + default_branch)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def tidy(self, service: Service) -> bool:
        """Join the many small packs that pushes leave; whether there was need to. Nothing is thrown away, also not
        what no branch leads to any more: it may be what runs in production."""
        packs = self.path(service) / "objects" / "pack"
        if sum(1 for _ in packs.glob("*.pack")) < PACKS:
            return False
        answer = self.run(service, "repack", "--geometric=2", "-d", "--quiet", within=3600.0)
        self.expect(answer, "tidy", service)
        return True

    def sweep(self, service: Service) -> int:
        """Remove what a git that was killed has left: locks on refs, and parts of pushes; how many.

        Git holds such a lock for milliseconds; one left behind would refuse every later push to its branch.
        """
        path = self.path(service)
        now = time.time()
        locks = [*(path / "refs").rglob("*.lock"), *path.glob("*.lock")]
        parts = [*(path / "objects").glob("tmp_objdir-*"), *(path / "objects" / "pack").glob("tmp_*")]
        removed = 0
        for left, age in [*((one, 600) for one in locks), *((one, 86_400) for one in parts)]:
            try:
                if now - left.lstat().st_mtime < age:
                    continue
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            except FileNotFoundError:
                continue  # its owner lives and has just ended
            removed += 1
        return removed

    def refs(self, service: Service) -> dict[str, str]:
        """Branches and tags as they really are: full name → object."""
        answer = self.run(service, "for-each-ref", "--format=%(objectname) %(refname)", BRANCHES, TAGS, limit=1024**3)
        self.expect(answer, "list the refs of", service)
        lines = answer.output.decode("utf-8", "surrogateescape").splitlines()
        return {ref: target for target, _, ref in (line.partition(" ") for line in lines)}

    def look_at(self, service: Service, moves: Sequence[Move], quarantine: str) -> tuple[Update, ...]:
        """What the moves of a push amount to. ``quarantine`` is where git keeps the push's objects until it is
        taken; empty when it brings none.

        Raises :class:`Invalid` for a tag that leads to no commit.
        """
        environment = self._with_quarantine(service, quarantine)
        tags = [move for move in moves if move.ref.startswith(TAGS) and not move.deletes]
        commits = dict(zip(tags, self._commits(service, tags, environment), strict=True)) if tags else {}
        return tuple(
            Update(
                move=move,
                commit=commits.get(move, CommitHash(move.after)),
                forced=self._forces(service, move, environment),
            )
            for move in moves
        )

    def _commits(self, service: Service, tags: Sequence[Move], environment: Mapping[str, str]) -> list[CommitHash]:
        asked = "".join(f"{move.after}^{{commit}}\n" for move in tags).encode()
        answer = self.run(service, "cat-file", "--batch-check=%(objectname)", given=asked, environment=environment)
        found = answer.output.decode("ascii", "replace").splitlines()
        for move, line in zip(tags, found, strict=False):
            if not is_hash(line):
                raise Invalid(
                    f"The tag {printable(move.ref.removeprefix(TAGS))} does not lead to a commit.",
                    safe="Nothing was changed.",
                    remedy="Tag a commit.",
                )
        self.expect(answer, "look at the tags of", service)
        return [CommitHash(line) for line in found]

    def _forces(self, service: Service, move: Move, environment: Mapping[str, str]) -> bool:
        if move.creates or move.deletes:
            return False
        if move.ref.startswith(TAGS):
            return True
        answer = self.run(
            service,
            "merge-base",
            "--is-ancestor",
            "--end-of-options",
            move.before,
            move.after,
            environment=environment,
        )
        return answer.status != 0  # also when what was there before cannot be read

    def _with_quarantine(self, service: Service, quarantine: str) -> dict[str, str]:
        if not quarantine:
            return {}
        objects = self.path(service) / "objects"
        place = Path(os.path.normpath(quarantine))
        if place.parent != objects:
            raise Invalid("The push's objects are not where git keeps them.", safe="Nothing was changed.")
        return {
            "GIT_OBJECT_DIRECTORY": str(place),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
            "GIT_QUARANTINE_PATH": str(place),
        }

    @staticmethod
    def expect(answer: Answer, doing: str, service: Service) -> None:
        """Raises :class:`Unavailable` unless git ended well."""
        if answer.status != 0:
            raise Unavailable(
                f"git could not {doing} {service}: {answer.complaint or f'status {answer.status}'}",
                safe="Nothing was changed.",
                remedy="Try again; if it stays so, check the repository with git fsck.",
            )


def not_there(moves: Sequence[Move], actual: Mapping[str, str]) -> tuple[Move, ...]:
    """Moves that begin where their ref is not."""
    return tuple(move for move in moves if actual.get(move.ref, NO_COMMIT) != move.before)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
