"""The reference of all settings, written from the settings themselves."""

from __future__ import annotations

from andon.kernel.settings.forms import size_of
from andon.kernel.settings.model import Setting, Settings, all_settings

_HEAD = """# Settings

<!-- Written by `python -m andon.kernel.settings.reference`; a test keeps it equal to the code. -->

Settings stand in `settings.toml` in the data directory. A variable of the environment goes before the file. Everything
is checked when Andon starts: an unknown key, a wrong type or a value out of bounds is told with its line, and nothing
is started.

The data directory is the one given with `--data`, else `$ANDON_DATA`, else `$XDG_DATA_HOME/andon`, else
`~/.local/share/andon`.

Sizes are written as a number of bytes or as text with a unit: `"512MiB"`. A list in a variable is separated by colons.
"""


def settings_reference() -> str:
    """The page ``docs/reference/settings.md``."""
    parts = [_HEAD]
    for group, kind in Settings.GROUPS.items():
        parts.append(f"\n## `[{group}]`\n\n{kind.__doc__}\n")
        parts.extend(_entry(one) for one in all_settings() if one.group == group)
    return "".join(parts)


def _entry(one: Setting) -> str:
    return (
        f"\n### `{one.key}`\n\n{one.says}\n\n"
        f"| Type | Default | Bounds | Variable |\n|---|---|---|---|\n"
        f"| {_type(one)} | {_default(one)} | {_bounds(one)} | `{one.variable}` |\n"
    )


def _type(one: Setting) -> str:
    match one.default:
        case bool():
            return "true or false"
        case int() if one.size:
            return "size"
        case int():
            return "whole number"
        case float():
            return "number"
        case tuple():
            return "list of texts"
        case _:
            return "text"


def _default(one: Setting) -> str:
    match one.default:
        case bool():
            return f"`{str(one.default).lower()}`"
        case int() if one.size:
            return f'`"{size_of(one.default)}"`'
        case str():
            return f'`"{one.default}"`'
        case tuple():
            return "`[]`"
        case _:
            return f"`{one.default}`"


def _bounds(one: Setting) -> str:
    low, high = (None if bound is None else _bound(one, bound) for bound in (one.at_least, one.at_most))
    if low is None and high is None:
        return ""
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def _bound(one: Setting, bound: float) -> str:
    return size_of(int(bound)) if one.size else f"{bound:g}"


if __name__ == "__main__":
    print(settings_reference(), end="")  # noqa: T201 - this module's only output, for a file
