"""The texts of ``andon.yaml``: names, variables, paths, commands."""

from __future__ import annotations

import re
from dataclasses import replace

from andon.flow.definition.kinds import Text


def _as_name(text: str) -> str | None:
    """``Build_All`` → ``build-all``."""
    name = re.sub(r"[^a-z0-9]+", "-", text[:40].lower()).strip("-").lstrip("0123456789-")
    return name or None


def _as_variable(text: str) -> str | None:
    name = re.sub(r"[^A-Z0-9_]+", "_", text[:60].upper()).removeprefix("ANDON_").lstrip("0123456789")
    return name if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else None


def _as_relative(text: str) -> str | None:
    parts = [part for part in text.split("/") if part not in ("", ".", "..", "~", ".git")]
    return "/".join(parts)[:80] or None


_NAME_PATTERN = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
# No part may be '..', '.git' or '.'; neither a leading slash nor '~'; no backslash, no control character.
_PATH_PATTERN = r"^(?![/~])(?!(.*/)?(\.|\.\.|\.git)(/|$))[^\u0000-\u001f\u007f\\]*[^\u0000-\u001f\u007f\\/]$"


def _name(what: str, sample: str, *refuses: str) -> Text:
    return Text(
        what=what,
        form="lowercase letters, digits and dashes, a letter first, at most 40",
        sample=sample,
        pattern=_NAME_PATTERN,
        # Words the console and the command line use where a name could stand.
        refuses=("all", "andon", "new", "none", *refuses),
        hint=_as_name,
        limit=40,
    )


STAGE_NAME = _name("the name of a stage", "commit", "package")
JOB_NAME = _name("the name of a job", "test")
SERVICE_NAME = _name("the name of a service", "postgres")
PROCESS_NAME = _name("the name of a kind of process", "web")
ENVIRONMENT_NAME = _name("the name of an environment", "production")
SMOKE_NAME = Text(
    what="the name of a smoke test",
    form="one line of at most 80 characters",
    sample="front page",
    pattern=r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$",
    limit=80,
)
VARIABLE = Text(
    what="the name of a variable",
    form="capitals, digits and _, no digit first, not beginning with ANDON_",
    sample="LEVEL",
    pattern="^(?!ANDON_)[A-Z_][A-Z0-9_]*$",
    hint=_as_variable,
    limit=128,
)
# An instance is told its port in $PORT.
INSTANCE_VARIABLE = replace(VARIABLE, sample="GREETING", refuses=("PORT",))
FOLDER = Text(what="a folder inside the workspace", sample=".venv", pattern=_PATH_PATTERN, hint=_as_relative, limit=512)
GLOB = Text(
    what="a path or pattern inside the workspace",
    form="* within a folder, ** across folders",
    sample="reports/*.xml",
    pattern=_PATH_PATTERN,
    hint=_as_relative,
    limit=512,
)
BRANCH = Text(
    what="a branch or a pattern of branches",
    sample="main",
    pattern=r"^(?!/)(?!.*\.\.)[^\s\u0000-\u001f\u007f~^:\\]*[^\s\u0000-\u001f\u007f~^:\\/]$",
    limit=255,
)


def command(sample: str) -> Text:
    return Text(what="a shell command", sample=sample, pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$")


RELEASE_STAGE = _name("the name of a stage", "few")
_FIELD_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
HEADER = Text(
    what="the name of a header",
    form="letters, digits and dashes",
    sample="x-employee",
    pattern=_FIELD_NAME,
    limit=100,
)
SEGMENT = Text(
    what="the name of a segment of flags",
    form="lower case letters, digits, dots, dashes and underscores",
    sample="employees",
    pattern=r"^[a-z0-9][a-z0-9._-]*$",
    hint=lambda text: text.lower() if text.strip() else None,
    limit=100,
)
COOKIE = Text(what="the name of a cookie", sample="staff", pattern=_FIELD_NAME, limit=100)
USER_HEADER = replace(HEADER, sample="x-user")
USER_COOKIE = replace(COOKIE, sample="user")
URL_PATH = Text(
    what="a path that begins with /",
    sample="/health",
    pattern=r"^/[^\s\u0000-\u001f\u007f#]*$",
    hint=lambda text: f"/{text.split('://')[-1].split('/', 1)[-1].lstrip('/')}"[:80] if text.strip() else None,
    limit=2048,
)
SOCKET = Text(
    what="a socket directly below /run/andon",
    sample="/run/andon/app.sock",
    pattern=r"^/run/andon/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    limit=80,
)
ANY_TEXT = Text(what="text", sample="Parts Unlimited", pattern=r"^[^\u0000]+$")
OWNER = Text(
    what="the name of a team, a person or a channel",
    form="one line of at most 80 characters",
    sample="team-checkout",
    pattern=SMOKE_NAME.pattern,
    limit=80,
)
JSON_FIELD = Text(
    what="the name of a field",
    form="letters, digits, _, dashes and dots",
    sample="created_at",
    pattern=r"^[A-Za-z0-9_.-]+$",
    limit=100,
)
METRIC = Text(
    what="the name of a metric",
    form="letters, digits, _, : and dots, a letter first, at most 200",
    sample="payment.refused",
    pattern=r"^[a-zA-Z_][a-zA-Z0-9_:.]*$",
    limit=200,
)
METRICS = Text(
    what="the name of a metric, or a pattern of names",
    form="* stands for any part of a name",
    sample="orders.*",
    pattern=r"^[a-zA-Z_*][a-zA-Z0-9_:.*]*$",
    limit=200,
)
LOG_QUERY = Text(
    what="what lines of the log are found with",
    form="words, a phrase in quotes, field:value; - before one excludes it",
    sample='"payment refused" -test',
    pattern=r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
    limit=500,
)
