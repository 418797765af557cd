"""How a sandbox ends: by itself, by limits, by us, by the death of whoever started it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial
from pathlib import Path

import pytest

from andon.kernel.sandbox.attach import Attachment
from andon.kernel.sandbox.errors import LimitUnavailable
from andon.kernel.sandbox.identity import ProcessId, alive, descendants, end, identify, send
from andon.kernel.sandbox.launch import Sandboxed, gate, launch
from andon.kernel.sandbox.limits import Handle, Layered, Promise, Rlimits
from andon.kernel.sandbox.model import Exit, Limits, Mount, SandboxSpec
from andon.kernel.sandbox.spool import end_orphans, path_of
from tests.kernel.sandbox.conftest import Bench, wait_until

SOURCES = Path(__file__).parents[3] / "src"


def everybody(sandbox: Sandboxed) -> list[ProcessId]:
    return [found for pid in [sandbox.pid, *descendants(sandbox.pid)] if (found := identify(pid))]


def are_there(sandbox: Sandboxed, least: int) -> bool:
    return len(everybody(sandbox)) >= least


def nobody(processes: list[ProcessId]) -> bool:
    return not any(alive(process) for process in processes)


def need(limiter: Layered, promise: Promise) -> None:
    if promise not in limiter.promises:
        pytest.skip(f"this machine cannot limit {promise}: no control group to write to")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", Exit(0, None)),
        ("exit 3", Exit(3, None)),
        ("exit 255", Exit(255, None)),
        ("kill -9 $$", Exit(None, 9)),
        ("kill -15 $$", Exit(None, 15)),
    ],
)
def test_the_exit_is_told(bench: Bench, script: str, expected: Exit) -> None:
    end_, _ = bench.run("sh", "-c", script)
    assert end_ == expected
    assert not path_of(bench.state, bench.started[0][0].id).exists()


def test_a_program_that_is_missing_did_not_start(bench: Bench) -> None:
    end_, output = bench.run("no-such-program")
    assert not end_.started
    assert not end_.ok
    assert "no-such-program" in output


def test_wait_gives_up_and_may_be_asked_again(bench: Bench) -> None:
    sandbox = bench.start("sleep", "60")
    with pytest.raises(TimeoutError):
        sandbox.wait(0.01)
    assert sandbox.poll() is None
    sandbox.kill()
    assert sandbox.wait(60) == sandbox.wait(60) == Exit(None, 9)


def test_several_threads_may_wait(bench: Bench) -> None:
    sandbox = bench.start("sleep", "60")
    ends: list[Exit] = []
    threads = [threading.Thread(target=lambda: ends.append(sandbox.wait(60))) for _ in range(4)]
    for thread in threads:
        thread.start()
    sandbox.kill()
    for thread in threads:
        thread.join(60)
    assert ends == [Exit(None, 9)] * 4


def test_sigterm_reaches_every_process_inside(bench: Bench) -> None:
    sandbox = bench.start(
        "sh",
        "-c",
        "sh -c 'trap \"echo inner; exit\" TERM; touch a; while :; do sleep 0.05; done' &"
        "trap 'wait; echo outer; exit 7' TERM; touch b; while :; do sleep 0.05; done",
    )
    wait_until(lambda: {"a", "b"} <= {path.name for path in bench.workspace.iterdir()}, "both shells are ready")
    assert sandbox.terminate() >= 2
    assert sandbox.wait(60).code == 7
    assert sorted(word for word in bench.output(sandbox).split() if word in ("inner", "outer")) == ["inner", "outer"]


def test_who_ignores_sigterm_is_killed_with_all_its_children(bench: Bench) -> None:
    sandbox = bench.start(
        "python3", "-c",
        "import os, signal, time; signal.signal(15, signal.SIG_IGN)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: os.setsid(); break\n"
        "open(f'ready{os.getpid()}', 'w'); time.sleep(60)",
    )  # fmt: skip
    wait_until(lambda: len(list(bench.workspace.iterdir())) == 4, "four processes are ready")
    inside = everybody(sandbox)
    assert len(inside) >= 6
    assert sandbox.end(0.2) == Exit(None, 9)
    assert nobody(inside)


def test_killing_bubblewrap_alone_leaves_nothing(bench: Bench) -> None:
    for dies in (True, False):
        sandbox = bench.start("sh", "-c", "sleep 61 & sleep 62", dies_with_parent=dies)
        wait_until(partial(are_there, sandbox, 5), "the sleepers run")
        inside = everybody(sandbox)
        os.kill(sandbox.pid, signal.SIGKILL)
        assert sandbox.wait(60).signal == 9
        assert nobody(inside)


def test_a_fork_bomb_is_limited_and_ended(bench: Bench) -> None:
    need(bench.limiter, Promise.PROCESSES)
    sandbox = bench.start("sh", "-c", "b() { b | b & }; b; touch bombed; sleep 60", limits=Limits(processes=40))
    wait_until(
        lambda: (bench.workspace / "bombed").exists() or "fork" in bench.output(sandbox).lower(), "the bomb goes off"
    )
    assert len(descendants(sandbox.pid)) <= 42
    sandbox.kill()
    sandbox.wait(60)
    assert not any("bombed" in line for line in _lines_of_processes())


def _lines_of_processes() -> list[str]:
    found: list[str] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if name.isdecimal() and int(name) != os.getpid():
            try:
                found.append(Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return found


def test_too_much_memory_ends_it_and_says_so(bench: Bench) -> None:
    need(bench.limiter, Promise.MEMORY)
    end_, _ = bench.run("python3", "-c", "x = bytearray(200 << 20)", limits=Limits(memory=48 << 20))
    assert end_.out_of_memory
    assert end_.signal == 9
    usage = bench.started[0][0].usage
    assert usage.out_of_memory_kills >= 1
    assert usage.peak_memory is not None
    assert usage.peak_memory <= 48 << 20


def test_enough_memory_is_not_called_out_of_memory(bench: Bench) -> None:
    need(bench.limiter, Promise.MEMORY)
    end_, _ = bench.run("sh", "-c", "kill -9 $$", limits=Limits(memory=48 << 20))
    assert end_ == Exit(None, 9, out_of_memory=False)


def test_a_file_cannot_outgrow_its_limit(bench: Bench) -> None:
    end_, _ = bench.run("sh", "-c", "head -c 5000000 /dev/zero > big", limits=Limits(file_size=1 << 20))
    assert not end_.ok
    assert (bench.workspace / "big").stat().st_size == 1 << 20


def test_a_limit_nobody_can_enforce_is_refused_unless_weakening_is_allowed(bench: Bench) -> None:
    weak = frozenset({Promise.FILE_SIZE, Promise.ADDRESS_SPACE})
    bench.limiter = Layered((Rlimits(weak),))
    with pytest.raises(LimitUnavailable, match="memory") as refused:
        bench.start("touch", "/workspace/ran", limits=Limits(memory=64 << 20))
    assert "Delegate" in refused.value.remedy
    assert not (bench.workspace / "ran").exists()
    bench.limiter = Layered((Rlimits(weak),), frozenset({Promise.MEMORY}))
    end_, output = bench.run("python3", "-c", "x = bytearray(200 << 20)", limits=Limits(memory=100 << 20))
    assert end_.code == 1
    assert "MemoryError" in output


class Refusing:
    """A limiter whose limits turn out not to be attachable."""

    promises = frozenset[Promise]()

    def prepare(self, id: str, limits: Limits) -> Handle:
        return Handle(Attachment(("/sys/fs/cgroup/nowhere",)))


def test_what_cannot_be_put_under_its_limits_never_runs(bench: Bench) -> None:
    spec = SandboxSpec(("touch", "/workspace/ran"), "/workspace", mounts=(Mount(bench.workspace, "/workspace", True),))
    with (bench.folder / "out").open("wb") as out, pytest.raises(LimitUnavailable):
        launch(spec, id="job", state_dir=bench.state, stdout=out.fileno(), limiter=Refusing())
    assert not (bench.workspace / "ran").exists()
    assert list(bench.state.iterdir()) == []


def test_who_waits_at_a_gate_is_not_let_through_by_our_death() -> None:
    read, write = gate()
    os.close(write)  # as the kernel does when we are killed
    with selectors.DefaultSelector() as waiting:
        waiting.register(read, selectors.EVENT_READ)
        assert not waiting.select(0.2)
    os.close(read)


def test_limits_leave_no_control_groups_behind(bench: Bench) -> None:
    limits = Limits(
        memory=64 << 20 if Promise.MEMORY in bench.limiter.promises else None,
        processes=50 if Promise.PROCESSES in bench.limiter.promises else None,
    )
    sandbox = bench.start("sleep", "60", limits=limits)
    groups = list(Path("/sys/fs/cgroup").glob(f"**/andon.{sandbox.id}"))
    assert bool(groups) == (limits != Limits() and os.geteuid() == 0)
    sandbox.kill()
    sandbox.wait(60)
    assert not any(path.exists() for path in groups)


PARENT = """
    import os, sys, threading, time
    from pathlib import Path
    from andon.kernel.sandbox.launch import launch
    from andon.kernel.sandbox.model import Mount, SandboxSpec
    folder = Path(sys.argv[1])
    spec = SandboxSpec(("sh", "-c", "(setsid sleep 300 &) ; touch ready; sleep 300"), "/workspace",
                       mounts=(Mount(folder / "workspace", "/workspace", writable=True),))
    def start():
        launch(spec, id="job", state_dir=folder / "state", stdout=1, dies_with_parent=sys.argv[2] == "dies")
    thread = threading.Thread(target=start)  # a thread that ends: the sandbox must not end with it
    thread.start()
    thread.join()
    while not (folder / "workspace" / "ready").exists(): time.sleep(0.01)
    time.sleep(0.2)
    print("ready", flush=True)
    time.sleep(300)
"""


def parent(bench: Bench, mode: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(bench.folder), mode],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )


def outer_of(process: subprocess.Popen[bytes]) -> list[ProcessId]:
    return [found for pid in descendants(process.pid) if (found := identify(pid))]


def test_kill_9_of_the_parent_leaves_nothing(bench: Bench) -> None:
    with parent(bench, "dies") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        inside = outer_of(process)
        assert len(inside) >= 5
        assert all(alive(found) for found in inside)
        process.kill()
    wait_until(lambda: nobody(inside), "everything is gone")
    assert end_orphans(bench.state) == ["job"]
    assert end_orphans(bench.state) == []


def test_what_outlives_its_parent_is_found_and_ended_by_the_next_life(bench: Bench) -> None:
    with parent(bench, "stays") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        inside = outer_of(process)
        process.kill()
    assert all(alive(found) for found in inside)
    assert path_of(bench.state, "job").stat().st_mode & 0o777 == 0o600
    assert end_orphans(bench.state) == ["job"]
    assert nobody(inside)


def test_an_entry_cut_short_by_a_crash_still_finds_its_sandbox(bench: Bench) -> None:
    with parent(bench, "stays") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        inside = outer_of(process)
        process.kill()
    path_of(bench.state, "job").write_text("{")
    assert end_orphans(bench.state) == ["job"]
    assert nobody(inside)


def test_a_recycled_pid_is_not_hit() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = identify(process.pid)
        assert found is not None
        stranger = found._replace(started=found.started - 1)
        assert not alive(stranger)
        assert not send(stranger, signal.SIGKILL)
        assert end(stranger)
        assert process.poll() is None
        assert alive(found)
        assert end(found, grace=30)
        process.wait()
    assert identify(process.pid) is None
    assert not send(found, signal.SIGKILL)


def test_a_process_with_brackets_in_its_name_is_identified(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as process:
        wait_until(lambda: b") R" in Path(f"/proc/{process.pid}/stat").read_bytes(), "the program has its name")
        found = identify(process.pid)
        assert found is not None
        assert alive(found)
        assert end(found)


def test_a_zombie_is_dead() -> None:
    process = subprocess.Popen(["true"])
    found = identify(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert found is not None
    assert not alive(found)
    process.wait()
