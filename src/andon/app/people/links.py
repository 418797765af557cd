"""The one-time links by which people come in."""

from __future__ import annotations

from andon.kernel.access.people import NewLink
from andon.kernel.settings import Settings


def welcome_address(settings: Settings, link: NewLink) -> str:
    """What is handed to the person. It opens an account: show it once, keep it nowhere."""
    return f"{settings.address}/welcome?token={link.secret}"
