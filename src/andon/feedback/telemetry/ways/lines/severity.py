"""The Handbook's five severities, from the many words and numbers that programs have for them."""

from __future__ import annotations

import re

from andon.feedback.telemetry.contract.logs import Severity

_WORDS = {
    Severity.DEBUG: "trace verbose debug dbg fine finer finest vrb trc silly",
    Severity.INFO: "info information informational notice log inf default success config http",
    Severity.WARN: "warn warning wrn",
    Severity.ERROR: "error err severe failure eror",
    Severity.FATAL: "fatal critical crit alert emerg emergency panic ftl dpanic",
}
WORDS = {word: severity for severity, words in _WORDS.items() for word in words.split()}
_LETTER = {"t": Severity.DEBUG, "d": Severity.DEBUG, "v": Severity.DEBUG, "i": Severity.INFO, "w": Severity.WARN}
_LETTER |= {"e": Severity.ERROR, "f": Severity.FATAL, "c": Severity.FATAL}
_SLOG = re.compile(r"([a-z]+)[+-]\d{1,3}")


def severity_of(said: str) -> Severity:
    """``Warning``, ``WARN``, ``[warn]``, ``W``, Go's ``INFO+2``; ``UNKNOWN`` for anything else."""
    word = said.strip(" []<>:").lower()
    if found := _SLOG.fullmatch(word):
        word = found[1]
    return WORDS.get(word) or _LETTER.get(word) or Severity.UNKNOWN


def severity_of_level(number: float) -> Severity:
    """A number named ``level``: pino's and bunyan's tens, or syslog's 0 to 7 as in GELF.

    Python's numbers are pino's plus ten; its JSON formatters write the name, and ``levelno`` beside it.
    """
    if 0 <= number <= 7:
        return severity_of_syslog(int(number))
    if number > 69:
        return Severity.UNKNOWN
    return (
        Severity.DEBUG
        if number < 30
        else Severity.INFO
        if number < 40
        else Severity.WARN
        if number < 50
        else Severity.ERROR
        if number < 60
        else Severity.FATAL
    )


def severity_of_syslog(number: int) -> Severity:
    """RFC 5424's eight: emergency, alert and critical are fatal; a notice is information."""
    if number <= 2:
        return Severity.FATAL
    return {3: Severity.ERROR, 4: Severity.WARN, 5: Severity.INFO, 6: Severity.INFO}.get(number, Severity.DEBUG)
