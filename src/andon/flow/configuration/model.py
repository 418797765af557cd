"""Rules of configuration values."""

from __future__ import annotations

import re

from andon.kernel.errors import Conflict, Invalid

NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
LONGEST_VALUE = 64 * 1024
"""Bytes; values travel in the environment of a process."""


class ConfigInvalid(Invalid):
    code = "configuration.invalid"


class ConfigChanged(Conflict):
    code = "configuration.changed"


_ENVIRONMENT = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_OURS = frozenset({"PORT", "PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "LD_PRELOAD", "LD_LIBRARY_PATH"})


def check_environment(name: str) -> None:
    """Raises :class:`ConfigInvalid` for what can be no environment's name; it need not have been made yet."""
    if not _ENVIRONMENT.fullmatch(name):
        raise ConfigInvalid(
            f"{name[:80]!r} is no name of an environment.",
            safe="Nothing was changed.",
            remedy="Use the name that andon.yaml gives it.",
        )


def check_name(name: str) -> None:
    """Raises :class:`ConfigInvalid` for a name that no process environment, or Andon itself, would take."""
    if not NAME.fullmatch(name):
        raise ConfigInvalid(
            f"{name[:100]!r} is no name for a variable.",
            safe="Nothing was changed.",
            remedy="Use capital letters, digits and underscores, not beginning with a digit.",
        )
    if name.startswith("ANDON_") or name in _OURS:
        raise ConfigInvalid(
            f"{name} is set by Andon itself.", safe="Nothing was changed.", remedy="Choose another name."
        )


def check_value(name: str, value: str, *, secret: bool) -> None:
    """Raises :class:`ConfigInvalid` without showing the value. A setting may be empty, a secret may not: that is what a
    pipe that broke leaves."""
    if secret and not value:
        raise ConfigInvalid(
            f"Nothing was given as the value of {name}.",
            safe="Nothing was changed.",
            remedy=f"Give the secret's value; `andon secret unset` removes {name}.",
        )
    if "\0" in value:
        raise ConfigInvalid(f"The value of {name} has a zero byte.", remedy="Encode it, for example as base64.")
    if len(value.encode()) > LONGEST_VALUE:
        raise ConfigInvalid(
            f"The value of {name} is longer than {LONGEST_VALUE // 1024} KiB.",
            remedy="Put it into the package or a file the service fetches, and configure where it is.",
        )
