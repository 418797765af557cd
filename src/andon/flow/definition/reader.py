"""Reads ``andon.yaml``: the file's tree, the shape it must have, the rules across it."""

from __future__ import annotations

from andon.flow.definition import rules
from andon.flow.definition.contract import DEFINITION_FILE, Definition, DefinitionInvalid
from andon.flow.definition.document import load
from andon.flow.definition.kinds import Reading, Refused
from andon.flow.definition.shape import ROOT


class YamlDefinitionReader:
    """The :class:`~andon.flow.definition.contract.DefinitionReader`. Keeps nothing between two readings."""

    def read(self, source: bytes, *, file: str = DEFINITION_FILE) -> Definition:
        """The definition in ``source``, or :class:`DefinitionInvalid` with every fault found."""
        document = load(source, file=file)
        reading = Reading(document.source, list(document.faults))
        reading.values[()] = document.root.mark
        try:
            definition = ROOT.read(document.root, (), reading)
        except Refused as refused:
            reading.refuse((), refused)
            raise DefinitionInvalid(reading.faults) from None
        rules.check(definition, reading)
        if reading.faults:
            raise DefinitionInvalid(reading.faults)
        return definition
