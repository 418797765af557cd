"""Flags that have done their work: which, and a branch that takes them out of the code for people to look at."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from andon.flow.flags.commands.places import ServiceName, flag_at
from andon.flow.flags.contract import FLAGS_FILE
from andon.flow.flags.model.removing import removed
from andon.flow.flags.model.stale import Reference
from andon.flow.flags.references import LARGEST_FILE, looked
from andon.flow.flags.views.answers import FlagDetails, Stale
from andon.kernel.errors import Conflict, Invalid, Missing
from andon.web.terminal.client import Client, connect
from andon.web.terminal.output import printable, say

_SECONDS = 300.0
_LISTED = 50
"""Lines of a flag in a commit's message."""


class PrunedFlag(msgspec.Struct, kw_only=True):
    """``by_hand`` are the lines of the branch that name the flag still."""

    flag: str
    why: list[str]
    keep: str | None
    value: Any  # whatever JSON the flag serves
    rewritten: dict[str, int]
    """Places by file."""
    by_hand: list[str]


class Pruned(msgspec.Struct, kw_only=True):
    service: str
    branch: str
    base: str
    commit: str
    flags: list[PrunedFlag]
    complete: bool
    """Whether all of the code was looked through."""


def prune_flags(
    service: ServiceName,
    flags: Annotated[list[str] | None, typer.Argument(help="These flags only.")] = None,
    branch: Annotated[
        str, typer.Option("--branch", help="Push a branch of this name that takes them out of the code.")
    ] = "",
    folder: Annotated[Path, typer.Option("--folder", help="The git checkout to push from.")] = Path(),
    remote: Annotated[str, typer.Option("--remote", help="The git remote that is Andon's.")] = "andon",
    keep: Annotated[str, typer.Option("--keep", help="The variant that stays, where nobody can tell.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also flags that are not stale; name them.")] = False,
) -> None:
    """Flags that have done their work, the lines that name them, and what to do; --branch proposes the change."""
    with connect() as andon:
        found = andon.get(f"/services/{quote(service, safe='')}/stale-flags", Stale)
        if not branch:
            _tell(found, frozenset(flags or ()))
            return
        default = found.default_branch
        if branch == default:
            raise Invalid(
                f"{branch} is the default branch of {service}.",
                safe="Nothing was pushed.",
                remedy="Name another: what is proposed is for people to look at first.",
            )
        wanted = _wanted(andon, found, flags or [], keep, force=force)
    if not wanted:
        say(f"No flag of {service} is stale: nothing to propose.")
        return
    if found.commit is None:
        raise Invalid(f"Nothing was pushed to {service} yet.", safe="Nothing was pushed.")
    done = _proposed(_Git(folder), remote, branch, service, found.commit, wanted)
    lines = [f"Pushed {done.branch} ({done.commit[:12]}), made from {done.base[:12]}. Your checkout is as it was.", ""]
    lines += [line for one in done.flags for line in _report(one, most=None)]
    if not done.complete:
        lines.append("Not all of the code was looked through: lines may be missing.")
    lines.append(f"When it is on {default}, archive them: andon flags archive {service} NAME")
    say(printable("\n".join(lines)), value=done)


def _tell(found: Stale, only: frozenset[str]) -> None:
    told = [one for one in found.flags if not only or one.flag in only]
    if not told:
        say(f"No flag of {found.service} is stale.", value=found)
        return
    lines: list[str] = []
    for one in told:
        lines.append(f"{one.flag}: {'; '.join(one.why)}")
        if one.keep is not None:
            lines.append(f"  keep {one.keep} = {_json(one.value)}")
        lines += [f"  {it.path}:{it.line}: {it.text}" for it in one.references]
        lines += [f"  {one.proposal}", ""]
    if not found.complete:
        lines.append("Not all of the code was looked through: lines may be missing.")
    lines.append(f"Propose it as a change: andon flags prune {found.service} --branch remove-flags")
    say(printable("\n".join(lines).rstrip()), value=found)


def _wanted(andon: Client, found: Stale, names: list[str], keep: str, *, force: bool) -> list[PrunedFlag]:
    """Raises ``Invalid`` for a flag that is not stale, without ``force``."""
    stale = {one.flag: one for one in found.flags}
    if force and not names:
        raise Invalid("--force is for flags that you name.", safe="Nothing was pushed.")
    wanted = []
    for name in names or list(stale):
        one = stale.get(name)
        if one is None and not force:
            raise Invalid(
                f"{name} is not stale.",
                safe="Nothing was pushed.",
                remedy=f"See what it serves: andon flags show {found.service} {name}. Or --force --keep VARIANT.",
            )
        stays = keep if names and keep else None if one is None else one.keep
        if one is None and stays is None:
            raise Invalid(f"{name} is in use: say which variant stays.", safe="Nothing was pushed.", remedy="--keep on")
        value = None if one is None else one.value
        if stays is not None and (one is None or stays != one.keep):
            variants = andon.get(flag_at(found.service, name), FlagDetails).head.variants
            if stays not in variants:
                there = ", ".join(variants)
                raise Invalid(f"{name} has no variant {stays!r}, but {there}.", safe="Nothing was pushed.")
            value = variants[stays]
        why = ["somebody says so (--force)"] if one is None else one.why
        wanted.append(PrunedFlag(flag=name, why=why, keep=stays, value=value, rewritten={}, by_hand=[]))
    return wanted


def _proposed(git: _Git, remote: str, branch: str, service: str, base: str, wanted: list[PrunedFlag]) -> Pruned:
    git.must("check-ref-format", "--branch", branch)
    if git.must("ls-remote", "--heads", "--", remote, f"refs/heads/{branch}"):
        raise Conflict(
            f"There is a branch {branch} already.", safe="Nothing was pushed.", remedy="Choose another name."
        )
    if git.run("cat-file", "-e", f"{base}^{{commit}}")[0] != 0:
        git.must("fetch", "--quiet", "--no-tags", "--", remote, base)
    with git.tree(base) as tree:
        complete = True
        for one in wanted:
            complete = _taken_out(tree.folder, one) and complete
        tree.must("add", "--update")
        message = Path(tree.folder.parent, "message")
        message.write_text(_message(wanted), encoding="utf-8")
        # without the checkout's own hooks: they are made for what people do, and may change what is committed
        tree.must("commit", "--quiet", "--allow-empty", "--no-verify", "--cleanup=verbatim", "--file", str(message))
        commit = tree.must("rev-parse", "HEAD")
        tree.must("push", "--quiet", "--", remote, f"{commit}:refs/heads/{branch}")
    return Pruned(service=service, branch=branch, base=base, commit=commit, flags=wanted, complete=complete)


def _taken_out(folder: Path, one: PrunedFlag) -> bool:
    """Rewrite what can be, and note the rest. Whether all of the code was looked through."""
    before = looked(folder, [one.flag])
    for path in sorted({it.path for it in before.found.get(one.flag, ())}):
        if path.endswith(".py") and one.keep is not None:
            count = _rewritten(folder / path, one.flag, one.value)
            if count:
                one.rewritten[path] = count
    after = looked(folder, [one.flag])
    one.by_hand += [_named(it) for it in after.found.get(one.flag, ())]
    kept = folder / FLAGS_FILE
    if kept.is_file() and not kept.is_symlink() and kept.stat().st_size <= LARGEST_FILE:
        for number, line in enumerate(kept.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if line.strip().rstrip(":").strip("\"'") == one.flag and line.rstrip().endswith(":"):
                one.by_hand.append(f"{FLAGS_FILE}:{number}: {line.strip()}")
    return after.complete


def _rewritten(path: Path, flag: str, value: object) -> int:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return 0
    if text.startswith("\ufeff") or any("coding" in line for line in text.splitlines()[:2]):
        return 0  # what is not plainly UTF-8 is not ours to write
    found = removed(text, flag, value)
    if found.lines:
        path.write_bytes(found.text.encode("utf-8"))
    return len(found.lines)


def _named(it: Reference) -> str:
    return f"{it.path}:{it.line}: {it.text}"


def _message(wanted: list[PrunedFlag]) -> str:
    what = f"the flag {wanted[0].flag}" if len(wanted) == 1 else f"{len(wanted)} flags that have done their work"
    lines = [f"Take {what} out of the code", ""]
    for one in wanted:
        lines += _report(one, most=_LISTED)
    return printable("\n".join(lines).rstrip()) + "\n"


def _report(one: PrunedFlag, *, most: int | None) -> Iterator[str]:
    yield f"{one.flag}: {'; '.join(one.why)}."
    if one.keep is not None:
        yield f"What stays is {one.keep}, {_json(one.value)}."
    for path, count in one.rewritten.items():
        yield f"- rewritten: {path}, {count} {'place' if count == 1 else 'places'}"
    if one.rewritten:
        yield "  Look for imports, tests and lines that nothing reaches any more."
    if one.by_hand:
        put = "decide what stays" if one.keep is None else f"put {_json(one.value)} in its place"
        yield f"- by hand, {put}:"
        shown = one.by_hand if most is None else one.by_hand[:most]
        yield from (f"  {line}" for line in shown)
        if len(shown) < len(one.by_hand):
            yield f"  and {len(one.by_hand) - len(shown)} lines more"
    if not one.rewritten and not one.by_hand:
        yield "- the code does not name it"
    yield ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


class _Git:
    """Git, in a checkout."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._settings = settings

    def run(self, *arguments: str) -> tuple[int, str]:
        """Status, and what it says."""
        try:
            done = subprocess.run(
                ["git", *self._settings, *arguments],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(
                f"git does not run in {self.folder}: {error}.",
                safe="Your checkout is as it was.",
                remedy="Name a git checkout of the service with --folder.",
            ) from error
        return done.returncode, done.stdout.strip()

    def must(self, *arguments: str) -> str:
        status, said = self.run(*arguments)
        if status != 0:
            raise Invalid(
                f"git {arguments[0]} failed: {printable(said)[-1000:]}",
                safe="Your checkout is as it was.",
                remedy="See what git says. --folder names the checkout, --remote the remote that is Andon's.",
            )
        return said

    @contextmanager
    def tree(self, commit: str) -> Iterator[_Git]:
        """The files of a commit in a folder of their own, which is gone afterwards."""
        settings = ("-c", f"core.hooksPath={os.devnull}")
        with tempfile.TemporaryDirectory(prefix="andon-prune-") as place:
            folder = Path(place, "tree")
            quiet = _Git(self.folder, *settings)
            quiet.must("worktree", "add", "--quiet", "--detach", str(folder), commit)
            try:
                yield _Git(folder, *settings)
            finally:
                quiet.run("worktree", "remove", "--force", str(folder))
