"""What can go wrong before a sandboxed command runs."""

from __future__ import annotations

from andon.kernel.errors import AndonError, Invalid, Missing


class SandboxMissing(Missing):
    """bubblewrap is not installed, or this machine does not let it make namespaces."""

    code = "andon.sandbox.missing"


class LimitUnavailable(Missing):
    """A limit was asked for that this machine cannot enforce; nothing was started."""

    code = "andon.sandbox.limit_unavailable"


class InvalidSandbox(Invalid):
    """The description of the sandbox cannot be carried out as it stands; nothing was started."""

    code = "andon.sandbox.invalid"


class LaunchFailed(AndonError):
    """bubblewrap ended before the command could be started; its own words are in the command's log."""

    code = "andon.sandbox.launch_failed"
