"""What a command in a sandbox can see and touch."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from andon.kernel.sandbox.command import build, private_arguments
from andon.kernel.sandbox.errors import InvalidSandbox
from andon.kernel.sandbox.identity import descendants
from andon.kernel.sandbox.model import Mount, SandboxSpec
from andon.kernel.sandbox.toolchains import toolchains
from tests.kernel.sandbox.conftest import Bench, wait_until


def test_the_home_of_the_user_and_other_workspaces_are_not_there(bench: Bench) -> None:
    other = bench.folder / "other-workspace"
    other.mkdir()
    (other / "secret").write_text("theirs")
    _, output = bench.run(
        "sh", "-c", f"ls -a {Path.home()} /home /root; cat {other}/secret; ls {bench.folder}; ls -a ~"
    )
    assert output.count("No such file") == 2
    assert "theirs" not in output
    assert ".ssh" not in output
    assert ".bashrc" not in output


def test_shadow_is_not_there_and_the_system_is_read_only(bench: Bench) -> None:
    _, output = bench.run(
        "sh",
        "-c",
        "cat /etc/shadow /etc/gshadow; touch /usr/x /etc/x /x; test -e /etc/passwd && echo passwd; id -u; id -un",
    )
    assert "root:$" not in output
    assert output.count("No such file") == 2
    assert output.count("Read-only file system") == 3
    assert output.endswith("passwd\n1000\nandon\n")


def test_there_is_no_network_but_a_loopback_of_its_own(bench: Bench) -> None:
    program = (
        "import socket, json; s = socket.create_server(('127.0.0.1', 0));"
        "c = socket.create_connection(s.getsockname());"
        "print(json.dumps([n for _, n in socket.if_nameindex()]));"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try: u.connect(('192.0.2.1', 9)); print('reached')\n"
        "except OSError as e: print(e.strerror)"
    )
    end, output = bench.run("python3", "-c", program)
    assert end.ok, output
    interfaces, reached = output.splitlines()
    assert json.loads(interfaces) == ["lo"]
    assert reached == "Network is unreachable"


def test_with_the_network_the_machines_interfaces_are_there(bench: Bench) -> None:
    _, output = bench.run("python3", "-c", "import socket; print([n for _, n in socket.if_nameindex()])", network=True)
    assert output.strip() == str([name for _, name in socket.if_nameindex()])


def test_it_has_no_capabilities_and_cannot_make_namespaces(bench: Bench) -> None:
    _, output = bench.run(
        "sh", "-c", "grep CapEff /proc/self/status; unshare -U true || echo refused; ls /proc | grep -c '^[0-9]'"
    )
    assert "CapEff:\t0000000000000000" in output
    assert "refused" in output
    assert int(output.split()[-1]) < 8  # its own processes, not the machine's


def test_python_is_found_even_outside_usr(bench: Bench) -> None:
    end, output = bench.run("python3", "-c", "import ssl, sqlite3, sys; print(sys.version_info[:2] >= (3, 11))")
    assert end.ok
    assert output == "True\n"


def test_only_writable_mounts_can_be_written(bench: Bench) -> None:
    shown = bench.folder / "shown"
    shown.mkdir()
    (shown / "file").write_text("read me")
    _, output = bench.run(
        "sh", "-c", "cat /shown/file; touch /shown/x; touch /workspace/made", mounts=(Mount(shown, "/shown"),)
    )
    assert output.startswith("read me")
    assert "Read-only file system" in output
    assert (bench.workspace / "made").exists()


def test_environment_values_stand_in_no_command_line(bench: Bench) -> None:
    secret = "s3cr3t-value-of-a-token"
    sandbox = bench.start("sh", "-c", 'test -n "$TOKEN" && touch ready; sleep 60', environment={"TOKEN": secret})
    while not (bench.workspace / "ready").exists():
        assert sandbox.poll() is None
    inside = [sandbox.pid, *descendants(sandbox.pid)]
    assert len(inside) >= 3  # bubblewrap, the init, the shell
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if name.isdecimal():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if int(name) != os.getpid():
                assert secret.encode() not in line
    assert secret.encode() not in Path(f"/proc/{sandbox.pid}/environ").read_bytes()


def test_a_library_named_by_the_repository_is_not_loaded_outside(bench: Bench) -> None:
    # were it in the environment of bubblewrap's own process, ld.so would load it there, as the user Andon runs as
    sandbox = bench.start("sh", "-c", 'echo "$LD_PRELOAD"; sleep 60', environment={"LD_PRELOAD": "/workspace/evil.so"})
    wait_until(lambda: "/workspace/evil.so\n" in bench.output(sandbox), "the payload has it")
    for pid in (sandbox.pid, sandbox.child_pid):
        assert b"LD_PRELOAD" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_payload_has_the_three_standard_streams_and_no_other_descriptor(bench: Bench) -> None:
    # with bubblewrap's status pipe it could forge its own exit code
    _, output = bench.run("python3", "-c", "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))")
    assert output == "['0', '1', '2', '3']\n"  # 3 is the listing itself


@pytest.mark.parametrize("target", ["relative", "/", "/a/../b", "/proc/x", "/dev", "/sys/fs", "//x", "/x/"])
def test_a_mount_that_would_undo_the_sandbox_is_refused(tmp_path: Path, target: str) -> None:
    spec = SandboxSpec(("true",), "/", mounts=(Mount(tmp_path, target),))
    with pytest.raises(InvalidSandbox):
        build(spec, dies_with_parent=True)


def test_a_link_is_not_followed_out_of_a_mount_source(tmp_path: Path) -> None:
    link = tmp_path / "cache"
    link.symlink_to("/root")
    with pytest.raises(InvalidSandbox, match="link"):
        build(SandboxSpec(("true",), "/", mounts=(Mount(link, "/cache"),)), dies_with_parent=True)


@pytest.mark.parametrize("environment", [{"A=B": "x"}, {"": "x"}, {"A": "x\0y"}])
def test_an_impossible_environment_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidSandbox):
        private_arguments(environment)


@pytest.mark.parametrize("folder", [Path("/"), Path.home(), Path("/nowhere/at/all"), Path("relative")])
def test_a_toolchain_folder_that_shows_too_much_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidSandbox):
        toolchains([folder])


def test_a_toolchain_folder_is_shown_wherever_it_lies_and_nothing_beside_it(bench: Bench) -> None:
    tools = bench.folder / "tools"
    (tools / "bin").mkdir(parents=True)
    (bench.folder / "beside").write_text("theirs")
    program = tools / "bin" / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    end, output = bench.run("sh", "-c", f"greet; ls {bench.folder}; touch {tools}/x", extra_toolchains=(tools,))
    assert not end.ok
    assert output.startswith("hello\ntools\n")
    assert "Read-only file system" in output
