"""Questions about commits and files, asked of git with names that may be hostile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from andon.flow.sources.contract import ChangedFile, Commit, CommitHash, Difference, Service
from andon.flow.sources.git import Git
from andon.flow.sources.model import BRANCHES, TAGS, is_hash, is_ref_part, printable
from andon.kernel.errors import Conflict, Invalid, NotFound

LARGEST_FILE = 1024**2
"""Bytes of a file that is read whole."""
COMMITS = 200
"""Commits listed in one difference, each way."""
FILES = 500
"""Files listed in one difference."""
LINES = 200
"""Lines of a file whose age is asked for at once."""

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_FIELDS = "%H%x00%P%x00%an%x00%at%x00%ct%x00%s%x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def resolve(git: Git, service: Service, revision: str) -> CommitHash:
    """The commit a branch, a tag or a hash (4 to 40 digits) names; in this order. Raises ``NotFound``."""
    if not is_ref_part(revision):
        raise _no_commit(service, revision)
    asked = [f"{BRANCHES}{revision}", f"{TAGS}{revision}"]
    if 4 <= len(revision) <= 40 and all(digit in "0123456789abcdefABCDEF" for digit in revision):
        asked.append(revision.lower())
    given = "".join(f"{one}^{{commit}}\n" for one in asked).encode("utf-8", "surrogateescape")
    answer = git.run(service, "cat-file", "--batch-check=%(objectname)", given=given)
    for line in answer.output.decode("utf-8", "replace").splitlines():
        if is_hash(line):
            return CommitHash(line)
    raise _no_commit(service, revision)


def commit(git: Git, service: Service, named: CommitHash) -> Commit:
    """Raises ``NotFound``."""
    _require_hash(service, named)
    answer = git.run(
        service, "log", "-1", "--no-show-signature", f"--format=tformat:{_FIELDS}", "--end-of-options", named, "--"
    )
    found = _commits(answer.output)
    if answer.status != 0 or not found:
        raise _no_commit(service, named)
    return found[0]


def read(git: Git, service: Service, named: CommitHash, path: str) -> bytes | None:
    """A file at a commit; ``None`` when there is none. Raises ``NotFound`` (commit), ``Invalid`` (path, size)."""
    (content,) = read_some(git, service, named, (path,))
    return content


def read_some(git: Git, service: Service, named: CommitHash, paths: tuple[str, ...]) -> tuple[bytes | None, ...]:
    """Several files at a commit, with one process."""
    _require_hash(service, named)
    for path in paths:
        _require_path(path)
    asked = "".join([f"{named}^{{commit}}\n", *(f"{named}:{path}\n" for path in paths)])
    checked = git.run(
        service,
        "cat-file",
        "--batch-check=%(objecttype) %(objectsize) %(objectname)",
        given=asked.encode("utf-8", "surrogateescape"),
    )
    lines = checked.output.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith("commit "):
        raise _no_commit(service, named)
    contents: list[bytes | None] = []
    for path, line in zip(paths, lines[1:], strict=True):
        kind, _, rest = line.partition(" ")
        size, _, identity = rest.partition(" ")
        if kind != "blob" or not is_hash(identity):
            contents.append(None)
            continue
        if int(size) > LARGEST_FILE:
            raise Invalid(
                f"{printable(path)} is larger than {LARGEST_FILE // 1024} KiB.",
                remedy="Fetch the repository to read it.",
            )
        answer = git.run(service, "cat-file", "blob", identity, limit=LARGEST_FILE + 1)
        git.expect(answer, "read a file of", service)
        contents.append(answer.output)
    return tuple(contents)


def export(git: Git, service: Service, named: CommitHash, folder: Path) -> None:
    """Write a commit's tree into ``folder``, which must be empty or not there.

    Files are written as they are stored: no submodules, no large files from elsewhere. Raises ``NotFound``,
    ``Conflict`` for a folder with something in it, ``Invalid`` for links that leave the tree; nothing stays
    in the folder then.
    """
    _require_hash(service, named)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty.", safe="It was not touched.", remedy="Export into an empty folder.")
    scratch = Path(tempfile.mkdtemp(dir=git.scratch))
    try:
        answer = git.run(
            service,
            f"--work-tree={folder}",
            *("-c", "core.bare=false", "-c", "core.protectNTFS=false", "-c", "core.symlinks=true"),
            *("read-tree", "-u", "--reset", "--no-recurse-submodules"),
            f"{named}^{{tree}}",
            environment={"GIT_INDEX_FILE": str(scratch / "index")},
            within=600.0,
        )
        if answer.status != 0:
            resolve(git, service, named)
            git.expect(answer, "write the files of", service)
        _refuse_links_out(folder)
    except BaseException:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def below(git: Git, service: Service, named: CommitHash, folder: str) -> tuple[str, ...]:
    """Paths of files below a folder at a commit, links left out. Raises ``NotFound`` (commit), ``Invalid`` (path)."""
    _require_hash(service, named)
    _require_path(folder)
    answer = git.run(
        service, "ls-tree", "-r", "-z", "--end-of-options", named, "--", f"{folder.rstrip('/')}/", limit=4 * 1024**2
    )
    git.expect(answer, "list files of", service)
    found = []
    for entry in answer.output.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, path = entry.partition("\t")
        if path and facts.startswith("100"):  # files, plain and executable; 120000 is a link
            found.append(path)
    return tuple(found[:FILES])


def difference(git: Git, service: Service, base: CommitHash | None, head: CommitHash) -> Difference:
    """What lies between two commits; without ``base``, all that led to ``head``. Raises ``NotFound``."""
    for named in (base, head):
        if named is not None:
            _require_hash(service, named)
    commits = _log(git, service, head, base)
    undone = () if base is None else _log(git, service, base, head)
    answer = git.run(
        service,
        "diff",
        "--numstat",
        "-z",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--end-of-options",
        base or _EMPTY_TREE,
        head,
        "--",
        limit=4 * 1024**2,
    )
    files = [_changed(entry) for entry in answer.output.split(b"\0") if entry.count(b"\t") >= 2]
    return Difference(
        commits=commits[:COMMITS],
        undone=undone[:COMMITS],
        files=tuple(files[:FILES]),
        truncated=len(commits) > COMMITS or len(undone) > COMMITS or len(files) > FILES,
    )


def written(git: Git, service: Service, named: CommitHash, path: str, lines: Sequence[int]) -> dict[int, datetime]:
    """When lines of a file were last changed; what is not there is left out. Raises as :func:`read`."""
    _require_hash(service, named)
    _require_path(path)
    ranges = [one for line in sorted(set(lines))[:LINES] if line > 0 for one in ("-L", f"{line},{line}")]
    if not ranges:
        return {}
    # the hash was looked at: it is no option, and blame knows no --end-of-options
    answer = git.run(service, "blame", "--line-porcelain", *ranges, named, "--", path, within=10.0)
    found: dict[int, datetime] = {}
    number = 0
    # each line: a head with its number, facts of its commit, and the line itself behind a tab
    for told in answer.output.decode("utf-8", "replace").split("\n") if answer.status == 0 else ():
        words = told.split(" ")
        if len(words) >= 3 and is_hash(words[0]) and words[2].isdigit():
            number = int(words[2])
        elif words[0] == "committer-time" and len(words) == 2:
            found[number] = _moment(words[1])
    return found


def contains(git: Git, service: Service, branch: str, named: CommitHash) -> bool:
    """Whether the commit is reachable from the branch as it is now; ``False`` for a branch that is not there."""
    _require_hash(service, named)
    if not is_ref_part(branch):
        return False
    answer = git.run(service, "merge-base", "--is-ancestor", "--end-of-options", named, BRANCHES + branch)
    return answer.status == 0


def latest(git: Git, service: Service, branch: str, limit: int) -> tuple[Commit, ...]:
    """The newest commits of a branch. Raises ``NotFound``."""
    return _log(git, service, resolve(git, service, branch), None, limit)


def _log(
    git: Git, service: Service, head: CommitHash, without: CommitHash | None, limit: int = COMMITS + 1
) -> tuple[Commit, ...]:
    answer = git.run(
        service,
        "log",
        f"--max-count={limit}",
        "--no-show-signature",
        f"--format=tformat:{_FIELDS}",
        "--end-of-options",
        head,
        *([] if without is None else [f"^{without}"]),
        "--",
    )
    if answer.status != 0:
        raise _no_commit(service, head if without is None else f"{without}..{head}")
    return _commits(answer.output)


def _commits(output: bytes) -> tuple[Commit, ...]:
    fields = output.decode("utf-8", "replace").split("\0")
    return tuple(
        Commit(
            hash=CommitHash(identity.lstrip("\n")),
            parents=tuple(CommitHash(one) for one in parents.split()),
            author=author,
            authored_at=_moment(authored),
            committed_at=_moment(committed),
            subject=subject,
        )
        for identity, parents, author, authored, committed, subject in zip(
            *(fields[start : len(fields) - 1 : 6] for start in range(6)), strict=False
        )
    )


def _moment(seconds: str) -> datetime:
    # Who commits chooses the date: anything from before the epoch to after the end of the calendar.
    number = int(seconds) if seconds.lstrip("-").isdigit() else 0
    return _EPOCH + timedelta(seconds=min(max(number, 0), _LATEST))


def _changed(entry: bytes) -> ChangedFile:
    added, removed, path = entry.decode("utf-8", "replace").split("\t", 2)
    return ChangedFile(
        path=path,
        added=int(added) if added.isdigit() else -1,
        removed=int(removed) if removed.isdigit() else -1,
    )


def _refuse_links_out(folder: Path) -> None:
    root = folder.resolve()
    leaving = []
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink() and (
                path.readlink().is_absolute() or not Path(os.path.realpath(path)).is_relative_to(root)
            ):
                leaving.append(printable(str(path.relative_to(root))))
    if leaving:
        shown = ", ".join(leaving[:5]) + (" …" if len(leaving) > 5 else "")
        raise Invalid(
            f"These links lead out of the repository: {shown}.",
            safe="Nothing was written.",
            remedy="Make them relative and keep them within the repository.",
        )


def _require_hash(service: Service, named: str) -> None:
    if not is_hash(named):
        raise _no_commit(service, named)


def _require_path(path: str) -> None:
    parts = path.split("/")
    if not path or len(path) > 4096 or any(part in {"", ".", ".."} for part in parts) or {"\n", "\0"} & set(path):
        raise Invalid(
            f"{printable(path[:80])!r} is not a path within a repository.",
            remedy="Give it relative to the repository's root, without '..'.",
        )


def _no_commit(service: Service, revision: str) -> NotFound:
    return NotFound(
        f"There is no commit {printable(revision[:60])!r} in {service}.",
        remedy="Name a branch, a tag or a commit's hash that has been pushed.",
    )
