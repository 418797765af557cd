"""Reads ``flags.yaml``: flags as code. What comes was written by anybody who can push."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent

from andon.flow.flags.contract import FLAGS_FILE
from andon.flow.flags.model.flag import Head, Setting
from andon.flow.flags.model.outcomes import FlagInvalid
from andon.flow.flags.model.wishes import Wanted
from andon.flow.flags.views.settings import FlagHead, SettingShape

LARGEST = 512 * 1024
MOST_NODES = 50_000
"""What is read within seconds: the record waits meanwhile."""
DEEPEST = 30


class _FileFlag(FlagHead, kw_only=True, forbid_unknown_fields=True):
    environments: dict[str, SettingShape] = msgspec.field(default_factory=dict)


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    flags: dict[str, _FileFlag]


@dataclass(frozen=True, slots=True)
class CodeFlag:
    name: str
    head: Head
    _settings: Mapping[str, SettingShape]

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(self._settings)

    def wanted(self, environment: str, head: Head, old: Setting) -> Wanted:
        """What the file says, with the kill switch as it is: that one is never the file's."""
        found = self._settings[environment].meant(head)
        return Wanted(
            enabled=old.enabled,
            off=found.off,
            default=found.default,
            prerequisites=found.prerequisites,
            individuals=found.individuals,
            rules=found.rules,
            begins=found.begins,
            ends=found.ends,
        )

    def asks_for(self) -> frozenset[str]:
        return frozenset(one.flag for shape in self._settings.values() for one in shape.prerequisites)


def read_flags(source: bytes) -> tuple[CodeFlag, ...]:
    """The flags of a file, each behind those that it asks for. Raises :class:`FlagInvalid`."""
    tree = _tree(source)
    if isinstance(tree, dict) and isinstance(tree.get("flags"), dict):
        faults = [
            f"flags.{name}.environments.{environment}.enabled: the kill switch is the console's, not the file's"
            for name, flag in tree["flags"].items()
            if isinstance(flag, dict) and isinstance(flag.get("environments"), dict)
            for environment, setting in flag["environments"].items()
            if isinstance(setting, dict) and "enabled" in setting
        ]
        if faults:
            raise FlagInvalid(FLAGS_FILE, faults)
    try:
        file = msgspec.convert(tree, _File)
    except msgspec.ValidationError as error:
        raise FlagInvalid(FLAGS_FILE, [str(error)]) from error
    found = {name: CodeFlag(name, one.meant(), one.environments) for name, one in file.flags.items()}
    return _ordered(found)


def _tree(source: bytes) -> object:
    if len(source) > LARGEST:
        raise FlagInvalid(FLAGS_FILE, [f"it is larger than {LARGEST // 1024} KiB"])
    try:
        text = source.decode()
        depth = 0
        for nodes, event in enumerate(YAML(typ="safe", pure=True).parse(StringIO(text))):
            kind = type(event).__name__
            depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent"))
            depth -= kind.endswith(("MappingEndEvent", "SequenceEndEvent"))
            # an alias of an alias of an alias is a file of a few lines that fills the memory
            if isinstance(event, AliasEvent) or nodes > MOST_NODES or depth > DEEPEST:
                raise FlagInvalid(FLAGS_FILE, ["it has aliases (*name), or more than anybody reads"])
            # `!!bool perhaps`; and YAML 1.1 takes 1:1:1:… for a number, over which it sits longer than anybody waits
            if getattr(event, "tag", None) is not None or getattr(event, "version", None) is not None:
                raise FlagInvalid(FLAGS_FILE, ["it has tags (!!name) or a %YAML line"])
            if isinstance(event, ScalarEvent):
                event.value.encode()  # half of a surrogate pair is no text, though it can be spelt
        tree: object = YAML(typ="safe", pure=True).load(StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise FlagInvalid(FLAGS_FILE, [f"it is no YAML: {' '.join(str(error).split())[:300]}"]) from error
    return tree


def _ordered(found: dict[str, CodeFlag]) -> tuple[CodeFlag, ...]:
    """Circles stay as they are: whoever checks the whole says them."""
    done: dict[str, CodeFlag] = {}
    waiting = dict(sorted(found.items()))
    while waiting:
        ready = [one for one in waiting.values() if not (one.asks_for() & waiting.keys() - {one.name})]
        for one in ready or list(waiting.values()):
            done[one.name] = waiting.pop(one.name)
    return tuple(done.values())
