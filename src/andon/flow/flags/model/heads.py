"""What a change of a flag's head does to those who are served."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from andon.flow.flags.model.flag import Head
from andon_flags.document import Kind


def written(value: object) -> str:
    """A variant's value as JSON. Two values are the same if they are written alike: to Python ``1`` is ``True``, to a
    service it is not."""
    return msgspec.json.encode(value, order="deterministic").decode()


def variants_changed(old: Head, new: Head) -> tuple[list[str], list[str], list[str]]:
    """Names of variants that are new, that are gone, and that have another value."""
    return (
        [name for name in new.variants if name not in old.variants],
        [name for name in old.variants if name not in new.variants],
        [
            name
            for name in new.variants
            if name in old.variants and written(old.variants[name]) != written(new.variants[name])
        ],
    )


def counts(old: Head, new: Head) -> bool:
    """Whether anybody could be served otherwise: a variant that is new is served to nobody yet, and whoever owns a
    flag, what it is for and when it ends concerns no service."""
    _, gone, other = variants_changed(old, new)
    return bool(gone or other) or _nature(old) != _nature(new) or old.off != new.off


def concerns(old: Head, new: Head, *, is_set: bool) -> bool:
    """Whether somebody could be served otherwise in an environment, where something is set or nothing. Where something
    is set every variant counts: those that it does not serve it may come to serve by what waits or is under way."""
    _, gone, other = variants_changed(old, new)
    if is_set:
        return bool(gone or other) or _nature(old) != _nature(new)
    return old.kind is not new.kind or written(old.variants.get(old.off)) != written(new.variants.get(new.off))


def starts_off(head: Head) -> bool:
    """Whether a switch is off where nobody has set anything. Other kinds have no value that is nothing."""
    return head.kind is not Kind.BOOLEAN or head.variants.get(head.off) is False


def switched_off(head: Head) -> Head:
    """The same, off where nobody has set anything; as it is if none of its variants is that."""
    if starts_off(head):
        return head
    return replace(head, off=next((name for name, value in head.variants.items() if value is False), head.off))


def unconcerning(old: Head, new: Head) -> Head:
    """As much of the new one as changes nothing for anybody who is served: what it is for, whose it is, when it ends,
    and variants that nothing serves yet. Those of another kind are not among them."""
    added, _, _ = variants_changed(old, new)
    more = {name: new.variants[name] for name in added} if old.kind is new.kind else {}
    return replace(new, kind=old.kind, unit=old.unit, salt=old.salt, off=old.off, variants={**old.variants, **more})


def difference(old: Head, new: Head) -> tuple[str, ...]:
    """Line by line, what is gone with ``- `` and what comes with ``+ ``; values as JSON."""
    before, after = _lines(old), _lines(new)
    found = []
    for key in {**before, **after}:
        was, now = before.get(key), after.get(key)
        if was != now:
            found += [f"{sign} {key}: {text}" for sign, text in (("-", was), ("+", now)) if text is not None]
    return tuple(found)


def _nature(head: Head) -> tuple[str, str, str]:
    return head.kind.value, head.unit, head.salt


def _lines(head: Head) -> dict[str, str]:
    plain = {
        "off": head.off,
        "unit": head.unit,
        "description": head.description,
        "owner": head.owner,
        "ends": "permanent" if head.permanent else str(head.ends or ""),
        "card": head.card,
        "code": head.code,
    }
    values = {f"variant {name}": written(value) for name, value in head.variants.items()}
    return {"kind": head.kind.value, **values, **{key: text for key, text in plain.items() if text}}
