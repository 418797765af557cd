"""Can this machine run sandboxes, and if not, which setting forbids it and how to change that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from andon.kernel.sandbox.command import bubblewrap
from andon.kernel.sandbox.errors import SandboxMissing
from andon.kernel.sandbox.limits import Promise, best_limiter


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``ok``, ``what`` was found, and the ``remedy`` (empty when all is well)."""

    ok: bool
    what: str
    remedy: str = ""


def check_sandbox() -> Finding:
    """Try to make a sandbox, and explain a failure by the settings known to forbid it."""
    bubblewrap.cache_clear()
    try:
        program = bubblewrap()
    except SandboxMissing as error:
        return Finding(False, error.message, _remedy() or error.remedy)
    if not program.can_forbid_nesting:
        return Finding(
            True,
            f"Sandboxes work ({program.path}), but commands inside could make further user namespaces.",
            "Update bubblewrap to 0.8 or later; inside a container, let /proc/sys be writable for it.",
        )
    return Finding(True, f"Sandboxes work ({program.path}).")


def check_limits() -> Finding:
    """Which limits on memory, processors and processes can be enforced here."""
    promises = best_limiter().promises
    missing = sorted({Promise.MEMORY, Promise.CPUS, Promise.PROCESSES} - promises)
    if not missing:
        return Finding(True, "Memory, processors and processes of a job can be limited.")
    return Finding(
        False,
        f"No way was found to limit: {', '.join(missing)}. Jobs that ask for it are refused.",
        "Run Andon as a systemd service with `Delegate=yes`, or start it with "
        "`systemd-run --user --scope -p Delegate=yes andon up`.",
    )


def _remedy() -> str:
    """The first known setting that stands in the way."""
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids unprivileged user namespaces (the default since Ubuntu 24.04). Either run "
            "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (and put the setting in "
            "/etc/sysctl.d/60-andon.conf), or allow only bwrap: write /etc/apparmor.d/bwrap with "
            "`abi <abi/4.0>, profile bwrap PATH_TO_BWRAP flags=(unconfined) { userns, }` "
            "and run `sudo apparmor_parser -r /etc/apparmor.d/bwrap`."
        )
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return (
            "The kernel forbids unprivileged user namespaces. Run `sudo sysctl -w "
            "kernel.unprivileged_userns_clone=1` and put the setting in /etc/sysctl.d/60-andon.conf."
        )
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return (
            "No user namespaces are allowed. Run `sudo sysctl -w user.max_user_namespaces=15000` and put the "
            "setting in /etc/sysctl.d/60-andon.conf."
        )
    if _in_container():
        return (
            "This looks like a container whose rules forbid namespaces. Start it with `--security-opt "
            "seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined` "
            "(Docker, Podman), or run Andon on the host."
        )
    return ""


def _setting(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _in_container() -> bool:
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
