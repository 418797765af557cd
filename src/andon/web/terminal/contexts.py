"""Which Andon the command line speaks to, and with which token.

In this order: ``ANDON_URL`` with ``ANDON_TOKEN``; the current context of ``~/.config/andon/config.toml``; the
operator's token in the data directory of this machine, with the address that the Andon of that data directory
really serves.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from andon.kernel.errors import Invalid, NotAuthenticated
from andon.kernel.files import write_private
from andon.web.terminal.whereabouts import local_address, whereabouts

DEFAULT_URL = "http://127.0.0.1:7766"


@dataclass(frozen=True, slots=True)
class Context:
    """``source`` says where it comes from, for messages."""

    url: str
    token: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Saved:
    """The file of contexts: name → url and token."""

    current: str
    contexts: Mapping[str, Context]


def config_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "andon" / "config.toml"


def data_directory() -> Path:
    """Where this machine's own Andon keeps its data: ``ANDON_DATA`` or ``~/.local/share/andon``."""
    if chosen := os.environ.get("ANDON_DATA"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "andon"


def current_context() -> Context:
    """Raises :class:`NotAuthenticated` when there is none, :class:`Invalid` for a file that cannot be read."""
    url, token = os.environ.get("ANDON_URL", ""), os.environ.get("ANDON_TOKEN", "")
    if token:
        return Context((url or _local_url()).rstrip("/"), token, "ANDON_TOKEN")
    saved = read_contexts()
    found = saved.contexts.get(saved.current)
    if found is not None and (not url or url.rstrip("/") == found.url):
        return found
    operator = data_directory() / "operator.token"
    try:
        token = operator.read_text(encoding="utf-8").strip()
    except OSError:
        raise NotAuthenticated(
            "The command line does not know which Andon to ask.",
            remedy=(
                f"There is no Andon of yours in {data_directory()}. ANDON_DATA names the data directory of one on this "
                "machine that keeps it elsewhere; `andon up` starts one here; `andon login URL` signs in to another."
            ),
        ) from None
    return Context((url or _local_url()).rstrip("/"), token, str(operator))


def read_contexts() -> Saved:
    """Raises :class:`Invalid`."""
    file = config_file()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Saved("", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}.", remedy="Mend it, or remove it and sign in again.") from error
    contexts: dict[str, Context] = {}
    tables = document.get("contexts", {})
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict) and isinstance(table.get("url"), str) and isinstance(table.get("token"), str):
            contexts[name] = Context(table["url"].rstrip("/"), table["token"], f"{file}, context {name!r}")
    return Saved(str(document.get("current", "")), contexts)


def save_context(name: str, url: str, token: str) -> None:
    """Add or replace a context and make it the current one; the file is readable by its owner only."""
    saved = read_contexts()
    contexts = {**saved.contexts, name: Context(url.rstrip("/"), token, "")}
    _write(Saved(name, contexts))


def forget_context(name: str) -> None:
    """Does nothing when there is none of that name; another one becomes current."""
    saved = read_contexts()
    contexts = {key: value for key, value in saved.contexts.items() if key != name}
    _write(Saved(saved.current if saved.current != name else next(iter(contexts), ""), contexts))


def _write(saved: Saved) -> None:
    # JSON's strings are TOML's basic strings for everything that can stand in a name, an address or a token
    lines = [f"current = {json.dumps(saved.current)}"]
    for name, context in saved.contexts.items():
        lines += [
            "",
            f"[contexts.{json.dumps(name)}]",
            f"url = {json.dumps(context.url)}",
            f"token = {json.dumps(context.token)}",
        ]
    write_private(config_file(), ("\n".join(lines) + "\n").encode())


def _local_url() -> str:
    """``ANDON_WEB_PORT``, else where the Andon of the data directory serves, else what its settings say."""
    port = os.environ.get("ANDON_WEB_PORT")
    running = whereabouts(data_directory())
    if running is not None and not port:
        return running.local
    try:
        document = tomllib.loads((data_directory() / "settings.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        document = {}
    web = document.get("web")
    web = web if isinstance(web, dict) else {}
    host = os.environ.get("ANDON_WEB_HOST") or web.get("host") or "127.0.0.1"
    return local_address(str(host), port or web.get("port") or 7766)
