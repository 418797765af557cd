"""Ramps of flags under the judge: who gets the variant is compared with who does not, before more of them do."""
