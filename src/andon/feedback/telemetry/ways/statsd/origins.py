"""Who is behind a socket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of everybody who can reach a socket: it overrides what they say of themselves. Empty is unknown."""

    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""


ANYONE = Origin()
"""Behind a port of the machine: whoever sends there says who they are."""
