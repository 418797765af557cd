"""How webhooks reach other programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from andon.feedback.webhooks.model.records import Answer


class Post(Protocol):
    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, elsewhere: bool) -> Answer:
        """Send it, and say what came of it; raises nothing that the other side can cause.

        ``elsewhere`` sends nothing to this machine, nor into private networks that the settings do not name, whatever
        name they are given.
        """
        ...
