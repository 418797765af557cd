"""Commands of runs: looking, starting, following, cancelling, retrying, letting go on.

Exit codes of what is followed: 0 when the run passed or waits for somebody, 1 when it did not pass.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.pipelines.contract import RunState, StageState
from andon.flow.pipelines.drawing import drawing, follow, headline, table_rows, taken
from andon.flow.pipelines.views import JobShape, LogShape, RunDetails, RunRequest, Runs, RunShape, StageShape
from andon.kernel.errors import AndonError, Conflict, Invalid, NotFound
from andon.kernel.ids import is_id
from andon.kernel.logs.text import plain
from andon.web.terminal.client import Client, connect
from andon.web.terminal.output import Table, ago, say, show, wants_json, write_json

_FAILING_LINES = 15

_Run = Annotated[
    str, typer.Argument(help="A run: its id, SERVICE#12, or 12 with --service.", metavar="RUN", show_default=False)
]
_Service = Annotated[str, typer.Option("--service", "-s", help="The service of run 12; this checkout's without it.")]
_Job = Annotated[str, typer.Option("--job", "-j", help="A job's name, or STAGE/NAME.")]


class RunNotPassed(AndonError):
    """The run that was followed did not pass."""

    code = "pipelines.run_not_passed"


class StageNotDeployed(Conflict):
    """A job was asked for where none failed, but a stage's deployment did."""

    code = "pipelines.stage_not_deployed"


def add_to(cli: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="Runs: from a commit to where it got.")
    group.callback()(list_runs)
    group.command("show")(show_run)
    cli.add_typer(group, name="runs")
    for command in (run, logs, cancel, retry, proceed):
        cli.command()(command)


def list_runs(
    context: typer.Context,
    service: Annotated[str | None, typer.Option("--service", "-s")] = None,
    branch: Annotated[str | None, typer.Option("--branch", "-b")] = None,
    state: Annotated[RunState | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
) -> None:
    """Runs, newest first."""
    if context.invoked_subcommand is not None:
        return
    with connect() as andon:
        found = andon.get("/runs", Runs, service=service, branch=branch, in_state=state, limit=limit)
    rows = [
        (
            f"{one.service}#{one.number}",
            one.state.value,
            one.commit[:7],
            one.branch,
            " → ".join(f"{stage.name} {stage.state.value}" for stage in one.stages),
            taken(one.started_at, one.ended_at),
            ago(one.pushed_at),
        )
        for one in found.runs
    ]
    empty = "No run yet: `git push andon` begins one."
    show(found, Table("run", "state", "commit", "branch", "stages", ">took", "pushed", empty=empty), rows)


def show_run(
    run: _Run,
    service: _Service = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
) -> None:
    """One run with its stages and jobs."""
    with connect() as andon:
        found = _find(andon, run, service)
        if watch:
            _watch(andon, found)
            return
    if not wants_json():
        say(headline(found))
    columns = Table("stage", "job", "state", ">attempt", ">took", "tests", "")
    show(found, columns, table_rows(found))
    if not wants_json():
        say(found.run.address)


def run(
    revision: Annotated[str, typer.Argument(help="A branch, a tag or a commit that is in Andon.")] = "",
    service: _Service = "",
    branch: Annotated[str | None, typer.Option("--branch", "-b", help="The branch that the run counts for.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not follow it.")] = False,
) -> None:
    """Start a run of a commit that is already there, and follow it."""
    wanted = RunRequest(service=_service(service), revision=revision or _head(), branch=branch)
    with connect() as andon:
        made = andon.post("/runs", RunDetails, wanted)
        if detach:
            say(f"Run {made.run.number} of {made.run.service} begins.\n{made.run.address}", value=made)
        else:
            _watch(andon, made)


def logs(
    run: Annotated[str, typer.Argument(help="A run (id, SERVICE#12, 12), or a job's id.", metavar="RUN|JOB")],
    job: _Job = "",
    service: _Service = "",
    attempt: Annotated[int | None, typer.Option(min=1, help="The last one without it.")] = None,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until the job has ended.")] = False,
) -> None:
    """What a job printed; of a run without --job, the first job that failed or the one under way."""
    with connect() as andon:
        chosen = andon.get(f"/jobs/{run}", JobShape) if is_id(run, "job") else None
        if chosen is None:
            chosen = _job(_find(andon, run, service), job)
        for page in _pages(andon, chosen, attempt, follow_it):
            if wants_json():
                write_json(page)
                continue
            for line in page.lines:
                say("".join(text for text, _ in line.spans))


def cancel(run: _Run, service: _Service = "", job: _Job = "") -> None:
    """Ask for the end of a run, or of one of its jobs."""
    with connect() as andon:
        found = _find(andon, run, service)
        path = f"/jobs/{_job(found, job).id}/cancel" if job else f"/runs/{found.run.id}/cancel"
        after = andon.post(path, RunDetails)
    what = f"Job {job}" if job else f"Run {after.run.number} of {after.run.service}"
    say(f"{what} is being cancelled.", value=after)


def retry(run: _Run, job: _Job = "", service: _Service = "") -> None:
    """Run a job again, and with it what needs it and the stages behind; without --job the first that did not pass."""
    with connect() as andon:
        found = _find(andon, run, service)
        chosen = _job(found, job, unsuccessful=True)
        after = andon.post(f"/jobs/{chosen.id}/retry", RunDetails)
    say(f"{chosen.stage}/{chosen.name} runs again.\n{after.run.address}", value=after)


def proceed(run: _Run, service: _Service = "") -> None:
    """Let a waiting run go on into the stage it waits for."""
    with connect() as andon:
        found = _find(andon, run, service)
        after = andon.post(f"/runs/{found.run.id}/proceed", RunDetails)
    say(f"Run {after.run.number} of {after.run.service} goes on.\n{after.run.address}", value=after)


def _find(andon: Client, name: str, service: str) -> RunDetails:
    if is_id(name, "run"):
        return andon.get(f"/runs/{name}", RunDetails)
    owner, _, number = name.rpartition("#")
    if not number.isdecimal() or len(number) > 9:
        raise Invalid(f"{name!r} names no run.", remedy="Give its id, SERVICE#12, or 12 with --service.")
    return andon.get(f"/services/{quote(owner or _service(service), safe='')}/runs/{number}", RunDetails)


def _job(found: RunDetails, name: str, *, unsuccessful: bool = False) -> JobShape:
    if name:
        named = [one for one in found.jobs if name in {one.name, f"{one.stage}/{one.name}"}]
        if len(named) == 1:
            return named[0]
        known = ", ".join(f"{one.stage}/{one.name}" for one in found.jobs)
        what = "names several jobs" if named else "names no job of this run"
        raise NotFound(f"{name!r} {what}.", remedy=f"There are: {known}")
    failed = [one for one in found.jobs if one.state.value in {"failed", "cancelled"} and one.attempt]
    busy = [one for one in found.jobs if one.state.value == "running"]
    began = [one for one in found.jobs if one.attempt]
    if not failed and not busy and (stage := _stage_not_deployed(found)) is not None:
        raise _not_deployed(found.run, stage)
    choice = failed if unsuccessful else (failed or busy or began[-1:])
    if not choice:
        raise NotFound("No job of this run did that yet.", remedy="Name one: --job STAGE/NAME")
    return choice[0]


def _stage_not_deployed(found: RunDetails) -> StageShape | None:
    """The stage that failed by its deployment: no job of it began."""
    began = {one.stage for one in found.jobs if one.attempt}
    failed = (one for one in found.run.stages if one.state is StageState.FAILED and one.environment is not None)
    return next((one for one in failed if one.name not in began), None)


def _not_deployed(run: RunShape, stage: StageShape) -> StageNotDeployed:
    """Where the failure is told, and how to go on."""
    commit = run.commit[:7]
    reason = plain(run.reason).removeprefix(f"{stage.name}: ")
    told = f" It says: {reason}" if reason else ""
    console = run.address.removesuffix(f"/runs/{run.id}")
    steps = f" Its steps and what they printed: {console}/deployments/{stage.deployment}" if stage.deployment else ""
    return StageNotDeployed(
        f"No job of run {run.service}#{run.number} failed: the deployment of its stage {stage.name} did.{told}",
        remedy=f"Once that is mended, `andon deploy {run.service} {stage.environment} {commit}` deploys this commit, "
        f"and `andon run {commit} --service {run.service}` begins a new run. "
        f"If you mean a job all the same, name it: `--job STAGE/NAME`.{steps}",
    )


def _watch(andon: Client, begun: RunDetails) -> None:
    path = f"/runs/{begun.run.id}"
    if wants_json():
        found = begun
        while found.run.ended_at is None and found.run.state is not RunState.WAITING:
            time.sleep(0.3)
            found = andon.get(path, RunDetails)
        write_json(found)
    else:
        with drawing() as shown:
            found = follow(lambda: andon.get(path, RunDetails), shown, lambda job: _last_lines(andon, job))
        if found.run.state is RunState.WAITING:
            say(f"It waits: {found.run.reason}\nLet it go on: andon proceed {found.run.service}#{found.run.number}")
        say(found.run.address)
    if found.run.ended_at is not None and found.run.state is not RunState.PASSED:
        name = f"{found.run.service}#{found.run.number}"
        raise RunNotPassed(
            f"Run {name} did not pass: {found.run.reason or found.run.state.value}.", remedy=f"See: andon logs {name}"
        )


def _last_lines(andon: Client, job: JobShape) -> list[str]:
    end = andon.get(f"/jobs/{job.id}/log", LogShape, limit=1)
    start = max(1, end.total - _FAILING_LINES + 1)
    page = andon.get(f"/jobs/{job.id}/log", LogShape, start=start, limit=_FAILING_LINES)
    return ["    " + plain("".join(text for text, _ in line.spans)) for line in page.lines]


def _pages(andon: Client, job: JobShape, attempt: int | None, follow_it: bool) -> Iterator[LogShape]:
    start = 1
    while True:
        page = andon.get(
            f"/jobs/{job.id}/log", LogShape, attempt=attempt, start=start, limit=2000, wait=20 if follow_it else 0
        )
        yield page
        # An attempt that is behind us says nothing more; the numbers go on from where this page ended.
        if page.next <= start and (page.complete or not follow_it):
            return
        start = page.next


def _service(name: str) -> str:
    """The service named, else the one whose remote this checkout has."""
    if name:
        return name
    address = _git("remote", "get-url", "andon")
    found = address.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if not found:
        raise Invalid("Which service is meant?", remedy="Name it: --service NAME, or go into its checkout.")
    return found


def _head() -> str:
    found = _git("rev-parse", "HEAD")
    if not found:
        raise Invalid("Which commit is meant?", remedy="Name a branch or a commit: andon run main --service NAME")
    return found


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
