"""Reading settings strictly: whatever is wrong is told at once, with file, line and key."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from andon.kernel.errors import Invalid
from andon.kernel.settings.forms import FORMS, bytes_of, size_of
from andon.kernel.settings.lines import line_of, lines_of
from andon.kernel.settings.model import Setting, Settings, all_settings

FILE = "settings.toml"
_LARGEST = 1024 * 1024
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``where`` is ``settings.toml:12`` (with its folder) or a variable's name."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class SettingsInvalid(Invalid):
    """The settings cannot be used; ``faults`` lists everything that is wrong with them."""

    code: ClassVar[str] = "andon.settings_invalid"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(
            "The settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults) + "\n",
            safe="Nothing was started.",
            remedy="Correct them and start again; docs/reference/settings.md lists what there is.",
        )
        self.faults = faults


def load(data: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings of the data directory ``data``; with ``None`` it is ``ANDON_DATA``, else
    ``$XDG_DATA_HOME/andon``, else ``~/.local/share/andon``. Variables go before the file.

    Raises :class:`SettingsInvalid`.
    """
    folder = _folder(data, environment)
    faults: list[Fault] = []
    if not str(folder).isprintable():
        faults.append(Fault(ascii(str(folder)), "the data directory's path may not contain control characters"))
        raise SettingsInvalid(tuple(faults))
    known = {setting.key: setting for setting in all_settings()}
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for key, origin, value in (*_from_file(folder / FILE, known, faults), *_from_variables(environment, known, faults)):
        checked = _checked(known[key], value)
        if isinstance(checked, Wrong):
            faults.append(Fault(origin, checked.what))
        else:
            values[key], origins[key] = checked.value, origin
    faults.extend(_together(known, values, origins))
    if faults:
        raise SettingsInvalid(tuple(faults))
    groups = {
        group: kind(**{key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{group}.")})
        for group, kind in Settings.GROUPS.items()
    }
    return Settings(data=folder, **groups)


def _folder(data: Path | None, environment: Mapping[str, str]) -> Path:
    if data is not None:
        return _absolute(data)
    if environment.get("ANDON_DATA"):
        return _absolute(Path(environment["ANDON_DATA"]))
    home = Path(environment.get("HOME") or "/")
    return _absolute(Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "andon")


def _absolute(path: Path) -> Path:
    try:
        return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - without looking at links or the disk
    except RuntimeError:  # no home is known for ~somebody
        return Path(os.path.abspath(path))  # noqa: PTH100 - as above


def _from_file(path: Path, known: Mapping[str, Setting], faults: list[Fault]) -> Iterator[tuple[str, str, object]]:
    text = _text(path, faults)
    try:
        document = tomllib.loads(text)
    except RecursionError:
        faults.append(Fault(str(path), "is nested too deeply"))
        return
    except ValueError as error:
        what, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+),", place)
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        place = f"{path}:{line}"
        faults.append(Fault(place, f"is not TOML: {what[:200]}"))
        return
    lines = lines_of(text)

    def at(*keys: str) -> str:
        line = line_of(lines, keys)
        return str(path) if line is None else f"{path}:{line}"

    for group, content in document.items():
        if group not in Settings.GROUPS:
            faults.append(Fault(at(group), f"there is no group {_shown(group)}{_nearest(group, Settings.GROUPS)}"))
        elif not isinstance(content, dict):
            faults.append(Fault(at(group), f"{group} is a group of settings: write [{group}] and its settings below"))
        else:
            for name, value in content.items():
                key = f"{group}.{name}"
                if key in known:
                    yield key, at(group, name), value
                else:
                    names = {one.name: one for one in known.values() if one.group == group}
                    near = _nearest(name, names, f"{group}.")
                    faults.append(Fault(at(group, name), f"there is no setting {_shown(key)}{near}"))


def _text(path: Path, faults: list[Fault]) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            faults.append(Fault(str(path), "is larger than 1 MiB"))
            return ""
        return content.decode().replace("\r\n", "\n")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        faults.append(Fault(f"{path}:{line}", "is not UTF-8"))
    except OSError as error:
        faults.append(Fault(str(path), f"cannot be read: {error.strerror}"))
    return ""


def _from_variables(
    environment: Mapping[str, str], known: Mapping[str, Setting], faults: list[Fault]
) -> Iterator[tuple[str, str, object]]:
    variables = {setting.variable: setting for setting in known.values()}
    groups = tuple(f"ANDON_{group}_".upper() for group in Settings.GROUPS)
    for name, text in sorted(environment.items()):
        if name not in variables:
            if name.startswith(groups):
                faults.append(Fault(name, f"there is no such setting{_nearest(name, variables)}"))
            continue
        setting = variables[name]
        yield setting.key, name, _from_text(setting, text)


def _from_text(setting: Setting, text: str) -> object:
    """The value that a variable's text stands for; the text itself where it stands for none."""
    match setting.default:
        case bool():
            return _WORDS.get(text.strip().lower(), text)
        case int() if setting.size:
            return text
        case int() | float():
            for kind in (int, float):
                try:
                    return kind(text)
                except ValueError:
                    continue
            return text
        case tuple():
            return [part for part in text.split(os.pathsep) if part]
        case _:
            return text


@dataclass(frozen=True, slots=True)
class Right:
    value: object


@dataclass(frozen=True, slots=True)
class Wrong:
    what: str


def _checked(setting: Setting, value: object) -> Right | Wrong:
    match setting.default:
        case bool():
            return Right(value) if isinstance(value, bool) else _not(setting, value, "true or false")
        case int() if setting.size:
            number = bytes_of(value) if isinstance(value, str) else value
            if not isinstance(number, int) or isinstance(number, bool):
                return _not(setting, value, 'a size such as "512MiB" or a number of bytes')
            return _within(setting, number)
        case int():
            if not isinstance(value, int) or isinstance(value, bool):
                return _not(setting, value, "a whole number")
            return _within(setting, value)
        case float():
            if not isinstance(value, int | float) or isinstance(value, bool) or not _finite(value):
                return _not(setting, value, "a number")
            within = _within(setting, value)
            return Right(float(value)) if isinstance(within, Right) else within
        case tuple():
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                return _not(setting, value, "a list of texts")
            wrong = next((found for one in value if (found := _text_fault(setting, one))), None)
            return Right(tuple(value)) if wrong is None else wrong
        case _:
            if not isinstance(value, str):
                return _not(setting, value, "text in quotes")
            return _text_fault(setting, value) or Right(value)


def _text_fault(setting: Setting, text: str) -> Wrong | None:
    if not text.isprintable():
        return Wrong(f"{setting.key} may not contain control characters")
    wrong = FORMS[setting.form](text) if setting.form else None
    return None if wrong is None else _not(setting, text, wrong.removeprefix("takes "))


def _within(setting: Setting, number: float) -> Right | Wrong:
    if setting.at_least is not None and number < setting.at_least:
        return Wrong(f"{setting.key} is at least {_bound(setting, setting.at_least)}, not {_shown(number)}")
    if setting.at_most is not None and number > setting.at_most:
        return Wrong(f"{setting.key} is at most {_bound(setting, setting.at_most)}, not {_shown(number)}")
    return Right(number)


def _bound(setting: Setting, bound: float) -> str:
    return size_of(int(bound)) if setting.size else f"{bound:g}"


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond what a float can hold
        return False


def _together(
    known: Mapping[str, Setting], values: Mapping[str, object], origins: Mapping[str, str]
) -> Iterator[Fault]:
    def number(key: str) -> int:
        found = values.get(key, known[key].default)
        return found if isinstance(found, int) else 0

    first, last, web = (number(key) for key in ("environments.first_port", "environments.last_port", "web.port"))
    if first > last:
        origin = origins.get("environments.last_port") or origins["environments.first_port"]
        yield Fault(origin, f"environments.last_port ({last}) is below environments.first_port ({first})")
    elif first <= web <= last:
        origin = next(
            origins[key] for key in ("web.port", "environments.first_port", "environments.last_port") if key in origins
        )
        yield Fault(origin, f"web.port ({web}) is one of the router's ports ({first} to {last})")


def _not(setting: Setting, value: object, wanted: str) -> Wrong:
    shown = "what is there" if setting.secret else _shown(value)
    return Wrong(f"{setting.key} takes {wanted}, not {shown}")


def _shown(value: object) -> str:
    try:
        text = ascii(value) if not isinstance(value, str) else repr(value)
    except ValueError:  # a whole number with more digits than Python writes
        text = "a number of thousands of digits"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(word: str, words: Mapping[str, object], before: str = "") -> str:
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {before}{near[0]}?"
    return f"; there are {', '.join(words)}" if len(words) < 10 else ""
