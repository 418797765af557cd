"""Commands that start and care for the server itself: ``up``, ``down``, ``restart``, ``doctor``, ``demo``.

The server's side is imported inside the functions: most commands only ask the API and must start quickly.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from andon.kernel.errors import Invalid, Missing, Unavailable
from andon.web.terminal.contexts import data_directory
from andon.web.terminal.output import Table, is_colourful, say, show
from andon.web.terminal.whereabouts import mark_of

if TYPE_CHECKING:
    from andon.kernel.settings import Settings

_DETACHED_SECONDS = 120.0

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="The data directory (default: $ANDON_DATA, else ~/.local/share/andon).", show_default=False
    ),
]


def add_to(cli: typer.Typer) -> None:
    for command in (up, down, restart, doctor, demo):
        cli.command()(command)


class Started(msgspec.Struct, kw_only=True):
    address: str
    data: str
    first_administrator: str | None = None


class Ended(msgspec.Struct, kw_only=True):
    running: bool
    """Whether it ran before."""
    kept: int = 0
    """Instances and routers that outlived an earlier life and were ended as well."""


class Restarted(msgspec.Struct, kw_only=True):
    pid: int
    """Of the supervisor: the same as before."""


class Examined(msgspec.Struct, kw_only=True):
    name: str
    grade: str
    found: str
    remedy: str


class Examination(msgspec.Struct, kw_only=True):
    fit: bool
    checks: list[Examined]


def up(
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="The console's port.", show_default=False)] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is up.")] = False,
) -> None:
    """Start Andon: console, API, git remote, worker and router. Ctrl-C stops everything again."""
    from andon.app.role import DIES_WITH, die_with_parent  # noqa: PLC0415 - see the module
    from andon.app.supervisor import Supervisor  # noqa: PLC0415 - see the module

    if DIES_WITH in os.environ:
        die_with_parent(int(os.environ[DIES_WITH]))
    settings = _settings(data, port)
    if detach:
        _detach(settings)
        return

    def ready(first: str | None) -> None:
        started = Started(address=settings.address, data=str(settings.data), first_administrator=first)
        say(greeting(started), value=started)
        sys.stdout.flush()

    code = Supervisor(settings, lambda line: typer.echo(line, err=True)).run(ready)
    say("Everything is stopped.", value=Ended(running=True))
    raise typer.Exit(code)


def down(data: Data = None) -> None:
    """Stop everything: console, worker, instances, router."""
    from andon.app.supervisor import end_all_kept, stop_running  # noqa: PLC0415 - see the module

    settings = _settings(data, None)
    ran = stop_running(settings.data)
    left = end_all_kept(settings.data)
    ended = Ended(running=ran, kept=left)
    if ran or left:
        say(
            "Everything is stopped." if ran else f"Andon was not running; {left} processes it had left are ended.",
            value=ended,
        )
    else:
        say("Andon was not running.", value=ended)


def restart(data: Data = None) -> None:
    """Start console and worker anew, after an upgrade for example; instances and router go on meanwhile."""
    from andon.app.supervisor import running_pid  # noqa: PLC0415 - see the module
    from andon.kernel.sandbox.identity import alive, identify  # noqa: PLC0415 - see the module

    settings = _settings(data, None)
    pid = running_pid(settings.data)
    if pid is None:
        raise Unavailable("Andon is not running.", remedy="Start it: andon up")
    process = identify(pid)
    before = mark_of(settings.data)
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + _DETACHED_SECONDS
    while mark_of(settings.data) in {"", before}:
        if process is None or not alive(process):
            raise Unavailable(
                "Andon did not come up again.",
                safe="Instances and the router go on.",
                remedy=f"Read what it said and {settings.data / 'log'}, then: andon up",
            )
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Andon did not come up again within {_DETACHED_SECONDS:g} s.", remedy=f"Read {settings.data / 'log'}."
            )
        time.sleep(0.05)
    say("Restarted; instances and the router went on.", value=Restarted(pid=pid))


def doctor(data: Data = None) -> None:
    """Look whether this machine has what Andon needs, and say how to mend what is missing."""
    from andon.app.doctor import Grade, examine  # noqa: PLC0415 - see the module

    checks = examine(_settings(data, None))
    fit = all(one.grade is not Grade.BAD for one in checks)
    show(
        Examination(
            fit=fit,
            checks=[
                Examined(name=one.name, grade=one.grade.value, found=one.found, remedy=one.remedy) for one in checks
            ],
        ),
        Table("check", "", "found", "what to do"),
        [(one.name, _mark(one.grade.value), one.found, one.remedy) for one in checks],
    )
    if not fit:
        raise typer.Exit(Missing.exit_code)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Leave after the story, with a meaningful status.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the data in this folder instead of a temporary one.", show_default=False)
    ] = None,
) -> None:
    """Tell the story of a change, from push to production and back, with the example shop."""
    from andon.app.demo.story import tell  # noqa: PLC0415 - see the module

    raise typer.Exit(tell(once=once, keep=keep))


def _settings(data: Path | None, port: int | None) -> Settings:
    from andon.kernel.settings import load  # noqa: PLC0415 - see the module

    environment = dict(os.environ)
    if port is not None:
        if not 0 < port < 1 << 16:
            raise Invalid(f"{port} is no port.", remedy="Choose one between 1 and 65535.")
        # The roles read the settings in processes of their own: they are told the same way.
        os.environ["ANDON_WEB_PORT"] = environment["ANDON_WEB_PORT"] = str(port)
    return load(data, environment)


def _detach(settings: Settings) -> None:
    """Start ``andon up`` in a session of its own and wait until it says that it is up."""
    log = settings.data / "log" / "up.log"
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)  # by itself: of parents the mode is not minded
    log.parent.mkdir(exist_ok=True, mode=0o700)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "andon", "up", "--json", "--data", str(settings.data)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _DETACHED_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None  # before reading: what it said last is then read, too
        told = log.read_text("utf-8", "replace")
        if ended:
            raise _not_up(told)
        if told.startswith("{") and told.endswith("\n"):
            try:
                started = msgspec.json.decode(told.splitlines()[0], type=Started)
            except msgspec.ValidationError:
                pass  # it is saying why not, and about to end
            else:
                say(greeting(started), value=started)
                return
        time.sleep(0.05)
    process.terminate()
    raise Unavailable(f"Andon did not come up within {_DETACHED_SECONDS:g} s.", remedy=f"Read {log}.")


def _not_up(told: str) -> Unavailable:
    """Why ``andon up --json`` ended, from what it printed."""
    from andon.app.role import Refused  # noqa: PLC0415 - see the module

    try:
        why = msgspec.json.decode(told.strip().rpartition("\n")[2], type=Refused)
    except msgspec.MsgspecError:
        return Unavailable("Andon did not come up.", safe="Nothing is left running.", remedy=told.strip()[-2000:])
    return Unavailable(why.message, safe=why.safe, remedy=why.remedy)


def greeting(started: Started) -> str:
    """What ``up`` says; to whom other terminals would not find, also what they need."""
    lines = [f"Andon is up at {started.address}"]
    if started.first_administrator is not None:
        lines += ["", "Create the administrator (this link works once):", f"  {started.first_administrator}"]
    lines += ["", f"Data: {started.data}    Stop: Ctrl-C or `andon down`"]
    if Path(started.data).resolve() != data_directory().resolve():
        lines += ["For the command line in other terminals:", f"  export ANDON_DATA={shlex.quote(started.data)}"]
    return "\n".join(lines)


def _mark(grade: str) -> str:
    if not is_colourful():
        return grade
    return {"good": "✔ good", "warning": "▲ warning", "bad": "✘ bad"}[grade]
