"""What nobody has to write of a flag."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.flags.model.flag import Head
from andon.flow.flags.model.outcomes import FlagInvalid
from andon_flags.document import Kind

_LONGEST = 2_000


def completed(head: Head, name: str) -> Head:
    """With what nobody has to write: the variants of a switch, the salt, what is served when it is off.

    Raises :class:`FlagInvalid` for what a document does not hold and is not in it either.
    """
    faults: list[str] = []
    variants = dict(head.variants)
    if not variants and head.kind is Kind.BOOLEAN:
        variants = {"on": True, "off": False}
    if not variants:
        faults.append(f"A {head.kind.value} flag needs variants, such as --variant small=10")
    off = head.off or next((one for one, value in variants.items() if value is False), next(iter(variants), ""))
    if off and off not in variants:
        faults.append(f"There is no variant {off!r} to serve when it is off; there are {', '.join(variants)}")
    for text, word in (
        (head.description, "description"),
        (head.owner, "owner"),
        (head.card, "card"),
        (head.code, "link to the code"),
    ):
        if len(text) > _LONGEST or "\0" in text:
            faults.append(f"Its {word} has more than {_LONGEST} characters, or such as cannot be kept")
    if head.permanent and head.ends is not None:
        faults.append("A permanent flag has no end of life")
    if faults:
        raise FlagInvalid(f"{name} would not do", faults)
    return replace(head, variants=variants, off=off, salt=head.salt or name)
