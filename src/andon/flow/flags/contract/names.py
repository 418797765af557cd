"""What flags and all that belongs to them are called."""

from __future__ import annotations

from typing import NewType

FlagName = NewType("FlagName", str)
"""Lower case letters, digits, dots, dashes and underscores, at most 100; unique in its service."""
SegmentName = NewType("SegmentName", str)
"""As a flag's, unique in the installation."""
RampId = NewType("RampId", str)
ProposalId = NewType("ProposalId", str)
"""Of a change of a flag or of a segment."""
