"""Programs kept running: started, restarted, stopped for certain, found again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from andon.kernel.keeper import control
from andon.kernel.keeper.errors import AlreadyKept, KeeperFailed, NotKept
from andon.kernel.keeper.layout import SOCKET, STATE, connect
from andon.kernel.keeper.model import KeeperSpec, KeptState, Restart, Status
from andon.kernel.sandbox.attach import Attachment
from andon.kernel.sandbox.identity import ProcessId, alive, descendants, identify
from andon.kernel.sandbox.limits import Promise, best_limiter
from andon.kernel.sandbox.model import Limits, Mount
from tests.kernel.keeper.conftest import House, wait_until

SOURCES = Path(__file__).parents[3] / "src"
WAITING = "echo up; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"


def tree(state: KeptState) -> list[ProcessId]:
    return [found for pid in [state.keeper.pid, *descendants(state.keeper.pid)] if (found := identify(pid))]


def nobody(processes: list[ProcessId]) -> bool:
    return not any(alive(process) for process in processes)


def test_a_program_is_kept_in_its_sandbox_and_its_log_written(house: House) -> None:
    state = house.sandboxed(WAITING)
    assert state.status is Status.RUNNING
    assert state.init is not None
    wait_until(lambda: house.lines() == ["up"], "it is up")
    assert control.is_kept(house.state, "web")
    assert control.kept(house.state) == (control.status(house.state, "web"),)
    assert Path(f"/proc/{state.keeper.pid}/stat").read_text().split(") ")[1].split()[1] != str(os.getpid())


def test_stopping_asks_first_and_leaves_nothing_but_the_log(house: House) -> None:
    state = house.sandboxed(WAITING)
    wait_until(lambda: house.lines() == ["up"], "it is up")
    everybody = tree(state)
    assert len(everybody) >= 4
    control.stop(house.state, "web")
    assert nobody(everybody)
    assert house.lines() == ["up", "bye", "[keeper] the program ended with code 0"]
    assert not (house.state / "web").exists()
    assert control.kept(house.state) == ()
    control.stop(house.state, "web")  # again: nothing happens


def test_stopping_right_after_the_start_is_heard(house: House) -> None:
    for _ in range(5):
        house.sandboxed("exec sleep 300", restart=Restart.NEVER)
        control.stop(house.state, "web", timeout=50)
    assert not any("was killed" in line for line in house.lines())


def test_who_ignores_the_stop_signal_is_killed_with_its_whole_tree(house: House) -> None:
    state = house.sandboxed("trap '' TERM; (setsid sleep 300 &); echo up; while :; do sleep 0.05; done")
    wait_until(lambda: house.lines() == ["up"], "it is up")
    everybody = tree(state)
    control.stop(house.state, "web", timeout=0.1)
    assert nobody(everybody)
    assert "[keeper] the program did not end in time and was killed" in house.lines()


def test_a_program_that_fails_is_started_again_with_growing_pauses(house: House) -> None:
    house.sandboxed("echo up; exit 4")
    wait_until(lambda: house.status().restarts >= 2, "it was restarted twice")
    found = [line for line in house.lines() if line.startswith("[keeper]")]
    assert found[:2] == [
        "[keeper] the program ended with code 4; starting it again in 0.25 s",
        "[keeper] the program ended with code 4; starting it again in 0.5 s",
    ]
    last = house.status().last_exit
    assert last is not None
    assert (last.code, last.signal) == (4, None)
    control.stop(house.state, "web")


@pytest.mark.parametrize(
    ("restart", "script", "status"),
    [
        (Restart.NEVER, "exit 0", Status.STOPPED),
        (Restart.NEVER, "exit 1", Status.FAILED),
        (Restart.ON_FAILURE, "exit 0", Status.STOPPED),
    ],
)
def test_a_program_that_is_not_restarted_ends_its_keeper(
    house: House, restart: Restart, script: str, status: Status
) -> None:
    state = house.sandboxed(script, restart=restart)
    wait_until(lambda: not control.is_kept(house.state, "web"), "the keeper has ended")
    wait_until(lambda: not alive(state.keeper), "its process is gone")
    (found,) = control.kept(house.state)
    assert found.status is status
    assert found.child is None
    with pytest.raises(NotKept):
        control.status(house.state, "web")


def test_restarting_starts_a_new_life_at_once(house: House) -> None:
    before = house.sandboxed(WAITING)
    wait_until(lambda: house.lines() == ["up"], "it is up")
    after = control.restart(house.state, "web")
    assert after.status is Status.RUNNING
    assert after.restarts == 1
    assert after.keeper == before.keeper
    assert after.init != before.init
    wait_until(lambda: house.lines().count("up") == 2, "it is up again")


def test_two_keepers_cannot_keep_one_thing(house: House) -> None:
    house.sandboxed(WAITING)
    with pytest.raises(AlreadyKept):
        house.sandboxed(WAITING)
    assert control.is_kept(house.state, "web")


def test_the_environment_is_neither_on_disk_nor_in_a_command_line(house: House) -> None:
    secret = "s3cr3t-of-production"
    state = house.sandboxed('echo "token=$TOKEN"; sleep 300', environment={"TOKEN": secret}, masks=(secret,))
    wait_until(lambda: house.lines() == ["token=***"], "it has its environment, and the log does not tell it")
    for path in house.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
    for process in tree(state):
        assert secret.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert secret.encode() not in Path(f"/proc/{state.keeper.pid}/environ").read_bytes()


def test_killing_the_keeper_takes_the_program_along_and_is_noticed(house: House) -> None:
    for start in (house.sandboxed, house.plain):
        state = start("(setsid sleep 301 &); echo up; sleep 301")
        wait_until(lambda: "up" in house.lines(), "it is up")
        child = state.child
        assert child is not None
        os.kill(state.keeper.pid, signal.SIGKILL)
        wait_until(partial(nobody, [child]), "the program is gone with it")
        assert [found.status for found in control.kept(house.state)] == [Status.LOST]
        assert [found.id for found in control.reap_lost(house.state)] == ["web"]
        assert control.kept(house.state) == ()
        if state.init is not None:
            wait_until(partial(nobody, [state.init]), "and its namespace")


def test_a_keeper_outlives_who_started_it_and_is_found_again(house: House) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from andon.kernel.keeper import control
        from andon.kernel.keeper.model import KeeperSpec
        folder = Path(sys.argv[1])
        spec = KeeperSpec("web", "router", ("sh", "-c", "echo up; sleep 300"), "/", folder / "logs" / "web", False)
        control.spawn(spec, {"PATH": "/usr/bin:/bin"}, folder / "keepers")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(house.folder)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    (found,) = control.kept(house.state)
    assert found.status is Status.RUNNING
    assert control.status(house.state, "web") == found
    everybody = tree(found)
    control.stop(house.state, "web")
    assert nobody(everybody)


def test_a_plain_program_gets_its_environment_and_a_session_of_its_own(house: House) -> None:
    state = house.plain('echo "$GREETING"; env | cut -d= -f1 | sort | tr "\\n" " "; echo; sleep 300')
    wait_until(lambda: len(house.lines()) == 2, "it has spoken")
    assert house.lines()[0] == "hello"
    assert set(house.lines()[1].split()) <= {"GREETING", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert state.child is not None
    assert os.getsid(state.child.pid) == state.child.pid


def test_a_program_that_does_not_exist_is_told_in_the_log(house: House) -> None:
    house.sandboxed("", argv=("no-such-program",), restart=Restart.NEVER)
    wait_until(lambda: not control.is_kept(house.state, "web"), "the keeper has ended")
    assert house.status().status is Status.FAILED
    assert "[keeper] the program could not be started" in house.lines()
    assert any("no-such-program" in line for line in house.lines())


def test_a_keeper_that_cannot_work_says_why(house: House) -> None:
    (house.folder / "file").write_text("")
    spec = KeeperSpec("web", "router", ("true",), "/", house.folder / "file" / "log", False)
    with pytest.raises(KeeperFailed, match=r"Not a directory|File exists"):
        control.spawn(spec, {}, house.state)
    assert not control.is_kept(house.state, "web")


def test_limits_hold_for_every_life_of_the_program(house: House) -> None:
    limiter = best_limiter()
    if Promise.MEMORY not in limiter.promises:
        pytest.skip("this machine cannot limit memory: no control group to write to")
    handle = limiter.prepare(house.folder.name, Limits(memory=48 << 20))
    try:
        hungry = "import sys; print('up', flush=True); x = bytearray(200 << 20)"
        house.sandboxed("", argv=("python3", "-c", hungry), limits=handle.attachment)
        wait_until(lambda: house.status().restarts >= 1 and house.lines().count("up") >= 2, "two lives")
        wait_until(lambda: len([line for line in house.lines() if "out of memory" in line]) >= 2, "two deaths")
        last = house.status().last_exit
        assert last is not None
        assert last.out_of_memory
        control.stop(house.state, "web")
        assert not any(Path(group).exists() for group in handle.attachment.cgroups)
    finally:
        handle.close()


def test_limits_that_cannot_be_attached_keep_the_program_from_running(house: House) -> None:
    made = house.folder / "made"
    made.mkdir()
    nowhere = Attachment(("/sys/fs/cgroup/nowhere",))
    shown = (Mount(made, "/made", writable=True),)
    house.sandboxed("touch /made/ran", mounts=shown, limits=nowhere, restart=Restart.NEVER)
    wait_until(lambda: not control.is_kept(house.state, "web"), "the keeper has ended")
    assert house.status().status is Status.FAILED
    assert not (made / "ran").exists()


def test_a_deep_data_directory_is_no_obstacle(house: House) -> None:
    deep = House(house.folder / ("d" * 100) / ("e" * 100))
    deep.plain("sleep 300")
    assert control.status(deep.state, "web").status is Status.RUNNING
    control.stop(deep.state, "web")
    assert control.kept(deep.state) == ()


@pytest.mark.parametrize(
    "request_",
    [b"\n", b"{}\n", b"nonsense\n", b'{"do": "fly"}\n', b'{"do": 1, "timeout": []}\n', b"[1]\n", b"x" * 70000],
)
def test_nonsense_on_the_socket_does_not_disturb_it(house: House, request_: bytes) -> None:
    house.plain("sleep 300")
    folder = str(house.state / "web")
    silent = connect(folder, 10)  # says nothing at all
    with connect(folder, 10) as asking:
        asking.sendall(request_)
        asking.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while more := asking.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    if answer:
        assert json.loads(answer)["ok"] is False
    assert control.status(house.state, "web").status is Status.RUNNING
    silent.close()


def test_a_keeper_that_hangs_is_stopped_for_certain(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_ANSWER", 0.1)
    state = house.sandboxed("sleep 300")
    everybody = tree(state)
    os.kill(state.keeper.pid, signal.SIGSTOP)
    control.stop(house.state, "web", timeout=0.1)
    assert nobody(everybody)
    assert not (house.state / "web").exists()


def test_files_from_before_a_reboot_name_no_process(house: House) -> None:
    state = house.plain("sleep 300")
    stranger = subprocess.Popen(["sleep", "300"])
    control.stop(house.state, "web")
    (house.state / "web").mkdir()
    found = identify(stranger.pid)
    data = {
        "version": 1, "id": "web", "kind": "router", "status": "running", "since_ms": 1, "restarts": 0,
        "keeper": state.keeper, "child": found, "init": None, "last_exit": None, "log": "/nowhere", "cgroups": [],
        "boot": "another life",
    }  # fmt: skip
    (house.state / "web" / STATE).write_text(json.dumps(data))
    assert [lost.status for lost in control.kept(house.state)] == [Status.LOST]
    control.reap_lost(house.state)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_stray_files_are_no_keepers(house: House) -> None:
    (house.state / "empty").mkdir(parents=True)
    (house.state / "broken").mkdir()
    (house.state / "broken" / STATE).write_text("{")
    (house.state / ".hidden").mkdir()
    assert control.kept(house.state) == ()
    with pytest.raises(ValueError, match="id"):
        control.stop(house.state, "../up")


def test_only_its_own_user_may_speak_to_it(house: House) -> None:
    house.plain("sleep 300")
    assert (house.state / "web" / SOCKET).stat().st_mode & 0o777 == 0o600
    assert (house.state / "web").stat().st_mode & 0o777 == 0o700
