"""Which lines are the same sentence with other values in it.

A line's *mask* is its text with every word left out that looks like a value (with a digit in it, an address, a path,
quoted text); lines of one mask are of one template. What still differs between masks of the same length in a few words
only is joined, as Drain does (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
masks are sorted by their number of words and their first one, and joined with the one of most equal words when these
are at least :data:`SIMILAR` of all. A mask that was seen before costs one look-up.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from andon.feedback.telemetry.contract.logs import LogLine, Template

VALUE = "<*>"
MOST_SERVICES = 2_000
SIMILAR = 0.6
LONGEST = 400
"""Characters of a line that are looked at: what comes behind is a stack trace or a document."""
MOST_WORDS = 60
MOST_MASKS = 50_000
"""Of one service. What is forgotten is compared with the patterns once more when it comes again."""
MOST_MASKS_TOGETHER = 400_000
"""Some 100 MB: beyond it the service that has the most forgets half."""
MOST_ALIKE = 100
"""Of one length and first word: each is compared with a line that nobody has seen before."""
MOST_TEMPLATES = 2_000
"""Of one service; when there are more its lines do not follow patterns, and all that are new are one."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|(?<!\w)'[^'\n]{0,300}'(?!\w)")
_DIGIT = re.compile(r"\d")
_KEY = re.compile(r"[A-Za-z_][\w.-]*[=:]")
_MARKS = ("@", ":/", "=/")
"""Of addresses and paths."""
_MOST_WORDS_KEPT = 100_000


@dataclass(slots=True)
class _Pattern:
    id: int
    words: list[str]


@dataclass(slots=True)
class _Service:
    masks: OrderedDict[str, int] = field(default_factory=OrderedDict)
    groups: dict[tuple[int, str], list[_Pattern]] = field(default_factory=dict)
    count: int = 0
    rest: bool = False
    """Whether the template of all lines that follow no pattern is known."""


class Templates:
    """Safe to use from every thread."""

    def __init__(self, known: Iterable[Template] = ()) -> None:
        self._lock = threading.Lock()
        self._services: dict[str, _Service] = {}
        self._masks = 0
        self._crowd = _Service(count=MOST_TEMPLATES)
        for one in known:
            self._learn(one)

    def assign(self, lines: Sequence[LogLine]) -> tuple[list[int], list[Template]]:
        """For each line the id of its template, and the templates that nobody has seen before."""
        ids: list[int] = []
        new: list[Template] = []
        with self._lock:
            for line in lines:
                if line.template:
                    ids.append(line.template)
                    continue
                mask = masked(line.body)
                service = self._services.get(line.service) or self._room(line.service)
                id_ = service.masks.get(mask)
                if id_ is None:
                    id_, fresh = self._join(service, line.service, mask)
                    if fresh is not None:
                        new.append(
                            Template(
                                id=id_,
                                text=fresh,
                                service=line.service,
                                first_seen=line.time,
                                first_version=line.version,
                            )
                        )
                    self._remember(service, mask, id_)
                ids.append(id_)
        return ids, new

    def _remember(self, service: _Service, mask: str, id_: int) -> None:
        self._masks += mask not in service.masks
        service.masks[mask] = id_
        if len(service.masks) > MOST_MASKS:
            service.masks.popitem(last=False)
            self._masks -= 1
        if self._masks > MOST_MASKS_TOGETHER:
            largest = max((self._crowd, *self._services.values()), key=lambda one: len(one.masks))
            for _ in range(-(-len(largest.masks) // 2)):
                largest.masks.popitem(last=False)
                self._masks -= 1

    def _room(self, name: str) -> _Service:
        """Names of services come from whoever sends: beyond a bound their lines have no patterns."""
        if len(self._services) >= MOST_SERVICES:
            return self._crowd
        return self._services.setdefault(name, _Service())

    def _join(self, service: _Service, name: str, mask: str) -> tuple[int, str | None]:
        words = mask.split(" ")[:MOST_WORDS]
        # not made before there is a pattern in it: first words may be without end
        group = service.groups.get((len(words), words[0]), [])
        best, most = None, SIMILAR * len(words)
        for pattern in group:
            equal = sum(mine == theirs for mine, theirs in zip(words, pattern.words, strict=True))
            if equal >= most:
                best, most = pattern, equal + 1
        if best is not None:
            # the id stays that of the sentence as it was first seen: lines that are stored already bear it
            best.words = [mine if mine == theirs else VALUE for mine, theirs in zip(words, best.words, strict=True)]
            return best.id, None
        text = " ".join(words)
        if service.count >= MOST_TEMPLATES or len(group) >= MOST_ALIKE:
            id_ = template_id(name, VALUE)
            known, service.rest = service.rest, True
            return id_, None if known else VALUE
        id_ = template_id(name, text)
        service.count += 1
        service.groups.setdefault((len(words), words[0]), []).append(_Pattern(id_, words))
        return id_, text

    def _learn(self, one: Template) -> None:
        words = one.text.split(" ")
        service = self._services.setdefault(one.service, _Service())
        service.groups.setdefault((len(words), words[0]), []).append(_Pattern(one.id, words))
        service.count += 1
        self._remember(service, one.text, one.id)


def masked(body: str) -> str:
    """The first line with ``<*>`` for each value, words parted by one space. ``status=404`` becomes ``status=<*>``.

    Word by word: one large regular expression over the whole line costs four times as much.
    """
    first = body[:LONGEST].partition("\n")[0]
    if "\x1b" in first:
        first = _COLOUR.sub("", first)
    if '"' in first or "'" in first:
        first = _QUOTED.sub(VALUE, first)
    return " ".join([word if word.isalpha() else _masked_word(word) for word in first.split()]) or VALUE


_kept: dict[str, str] = {}
"""Words with other characters than letters that stay as they are: there are few, and they come again and again."""


def _masked_word(word: str) -> str:
    found = _kept.get(word)
    if found is not None:
        return found
    if _DIGIT.search(word) is None and word[0] != "/" and not any(mark in word for mark in _MARKS):
        if len(_kept) >= _MOST_WORDS_KEPT:
            _kept.clear()
        _kept[word] = word
        return word
    key = _KEY.match(word)
    return f"{key[0]}{VALUE}" if key is not None and _DIGIT.search(key[0]) is None else VALUE


def template_id(service: str, text: str) -> int:
    """63 bits, the same for the same sentence of the same service, whenever it is seen."""
    told = f"{service}\x00{text}".encode()
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "little") >> 1 or 1
