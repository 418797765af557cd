"""Passwords: hashed with Argon2id, checked at the same cost whether or not somebody has that name."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from andon.kernel.errors import Invalid

SHORTEST = 12
LONGEST = 1000


class Passwords:
    """Hashes and checks. Safe to share between threads.

    No more than two at a time: each takes 64 MiB and a core, and a crowd at the door must not stop the house.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._door = threading.BoundedSemaphore(2)
        self._nobody = self._hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        with self._door:
            return self._hasher.hash(password)

    def matches(self, known: str | None, password: str) -> bool:
        """Whether ``password`` is the one that was hashed; ``None`` costs the same and never matches."""
        with self._door:
            try:
                self._hasher.verify(known or self._nobody, password[: LONGEST + 1])
            except (VerificationError, InvalidHashError):
                return False
        return known is not None


def check_new(password: str, name: str = "") -> None:
    """Raises :class:`Invalid` for a password that is too short, too long or the person's own name."""
    if len(password) < SHORTEST:
        raise Invalid(
            f"The password has {len(password)} characters; it needs at least {SHORTEST}.",
            remedy="A sentence is easy to remember and hard to guess.",
        )
    if len(password) > LONGEST:
        raise Invalid(f"The password is longer than {LONGEST} characters.", remedy="Take a shorter one.")
    if name and password.casefold() == name.casefold():
        raise Invalid("The password is the name.", remedy="Choose one that others cannot guess.")
