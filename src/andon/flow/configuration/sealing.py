"""Secrets at rest: AES-256-GCM under a key of this installation, bound to where the secret belongs."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from andon.kernel.errors import Unavailable
from andon.kernel.files import write_new

_FORMAT = b"\x01"
_NONCE = 12


class FileSecretBox:
    """Implements :class:`andon.flow.configuration.contract.SecretBox` with a key in a file (0600).

    ``context`` is authenticated with the secret: a sealed value copied to another service, environment or
    name does not open there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            # Of two processes that start at once one makes the key; the other takes that one.
            write_new(path, AESGCM.generate_key(256))
        self._path = path
        try:
            self._cipher = AESGCM(path.read_bytes())
        except ValueError:
            raise Unavailable(
                f"{path} holds no key.",
                safe="Secrets stay sealed.",
                remedy="Put the right file back from your backup. Without it all secrets have to be set again.",
            ) from None

    def seal(self, plain: bytes, *, context: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Raises ``Unavailable`` when the key is not the one it was sealed with, or the value was moved."""
        try:
            if sealed[:1] != _FORMAT:
                raise InvalidTag
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context.encode())
        except InvalidTag:
            raise Unavailable(
                f"A secret of {context} cannot be opened with the key in {self._path.name}.",
                safe="Nothing was changed.",
                remedy="Put the right key back from your backup, or set the secret again.",
            ) from None
