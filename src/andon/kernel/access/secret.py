"""Bearer secrets: 256 random bits, given out once, kept as SHA-256.

A plain digest is enough for what cannot be guessed; passwords, which can, go through Argon2 instead.
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "andon_"  # noqa: S105 - what scanners for leaked secrets recognise, not a secret itself


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
