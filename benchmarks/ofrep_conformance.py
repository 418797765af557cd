"""OpenFeature's SDKs beside Andon's OFREP server: whether each is told what the flag document evaluates to."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from andon.app.people.views import NewTokenView, TokenRequest
from andon.flow.flags.views.answers import Done, FlagShape
from andon.flow.flags.views.asking import NewFlag, SettingChange
from andon.kernel.access import Permission
from andon_flags.client import Flags
from andon_flags.document import Kind, read
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.figures import Figure, Goal
from benchmarks.harness.installation import Andon, until
from benchmarks.harness.telling import Options, Outcome, chosen, main
from benchmarks.sdks import corpus, peers, shapes
from benchmarks.sdks.corpus import Case, Planned, Told, same
from benchmarks.sdks.pages import MOVING, UNHEARD, VALUES, Browser, Story
from benchmarks.sdks.peers import Answered, Door, Peer

DEFINITION = """\
stages:
  first: {jobs: {nothing: {run: "true"}}}
environments:
  production: {}
"""
COVERED = {
    *("STATIC", "TARGETING_MATCH", "SPLIT", "DEFAULT", "DISABLED"),
    *("FLAG_NOT_FOUND", "TYPE_MISMATCH", "TARGETING_KEY_MISSING"),
}
"""What the questions have to come to, or they ask too little."""
SWITCH = Case("static", Kind.BOOLEAN, False, "u1")
TRUE_IS_1 = "asked for a whole number of a boolean flag, Python's SDK takes the boolean: there True is a number"


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    tell("the SDKs of Python and JavaScript, from where their clients install them")
    programs = [one for one in (peers.python(), peers.server()) if one is not None]
    web = peers.web()
    with Andon(settings={"ANDON_TELEMETRY_ENABLED": "false"}) as andon:
        site = _Site(andon)
        tell(f"{len(corpus.FLAGS)} flags into Andon")
        site.fill()
        cases = list(corpus.cases(chosen(options, quick=10, full=200)))
        wanted = site.expected(cases)
        seen = {one.error or one.reason for one in wanted}
        outcome.faults += [f"no question comes to {one}" for one in sorted(COVERED - seen)]
        for peer in programs:
            tell(f"{peer.name}: {len(cases)} evaluations")
            _compare(outcome, peer, cases, wanted, site.refusals())
        if web is not None:
            tell(f"{web.name}: {len(cases)} evaluations")
            with Browser(web) as browser:
                _browse(outcome, browser, web, cases, wanted, site)
                for what, fault in Story(browser, site.url, site.change, site.restart, site.token).told():
                    tell(f"a page: {what}: {fault or 'well'}")
                    site.lived[what] = fault
            outcome.figures.append(_share("what happens to pages, well", site.lived))
            outcome.faults += [f"a page: {what}: {fault}" for what, fault in site.lived.items() if fault]
        tell("the shapes of answers")
        found = dict(shapes.faults(andon.address, site.secrets()))
        outcome.figures.append(_share("answers of the shape that OFREP 0.3 has", found))
        outcome.faults += [f"{what}: {fault}" for what, fault in found.items() if fault]
    known = [*programs, *([] if web is None else [web])]
    outcome.notes += [f"{one.name}: {one.versions}" for one in known]
    if len(known) < 3:
        outcome.notes.append("not every SDK could be installed; what is not named was not tried")
    return outcome


def _share(name: str, found: Mapping[str, str]) -> Figure:
    well = sum(not fault for fault in found.values())
    return Figure(
        name=name,
        value=100 * well / max(1, len(found)),
        unit="%",
        goal=Goal(at_least=100),
        note=f"{well} of {len(found)}",
    )


def _compare(
    outcome: Outcome, peer: Peer, cases: Sequence[Case], wanted: Sequence[Told], refusals: Sequence[_Refusal]
) -> None:
    doors = [Door(one.url, one.token, [(SWITCH, one.context)]) for one in refusals]
    good = refusals[0].good
    told, *refused = peers.answers(peer, [Door(good[0], good[1], peers.asked_of(cases)), *doors])
    _tell(outcome, peer, cases, wanted, told)
    for refusal, (answer,) in zip(refusals, refused, strict=True):
        expected = Told(SWITCH.default, None, "ERROR", refusal.code)
        # of 401 and 403 some providers say nothing but that
        says_why = bool(answer.says) or refusal.code == "GENERAL"
        if (fault := _difference(expected, answer)) or not says_why:
            outcome.faults.append(f"{peer.name}: {refusal.says}: {fault or 'it does not say why'}")


def _browse(
    outcome: Outcome, browser: Browser, peer: Peer, cases: Sequence[Case], wanted: Sequence[Told], site: _Site
) -> None:
    told: dict[int, Answered] = {}
    token, _ = site.token()
    browser.open("asking", site.url, token, {}, UNHEARD)
    for who, asked in groupby(sorted(range(len(cases)), key=lambda at: cases[at].who), key=lambda at: cases[at].who):
        some = list(asked)
        browser.context("asking", corpus.context_of(who))
        told |= zip(some, browser.evaluate("asking", [cases[at] for at in some]), strict=True)
    browser.close("asking")
    _tell(outcome, peer, cases, wanted, [told[at] for at in range(len(cases))])
    for number, refusal in enumerate(site.refusals()):
        page = f"refused {number}"
        failed = browser.open(page, refusal.url, refusal.token, refusal.context, UNHEARD)
        answer = browser.evaluate(page, [SWITCH])[0]
        browser.close(page)
        if not failed or answer.value is not SWITCH.default or answer.error is None:
            outcome.faults.append(f"{peer.name}: {refusal.says}: {failed!r}, {answer}")


def _tell(
    outcome: Outcome, peer: Peer, cases: Sequence[Case], wanted: Sequence[Told], told: Sequence[Answered]
) -> None:
    faults, peculiar = [], Counter[str]()
    for case, expected, answer in zip(cases, wanted, told, strict=True):
        if not (fault := _difference(expected, answer)):
            continue
        if expected.error == "TYPE_MISMATCH" and case.kind is Kind.NUMBER and isinstance(answer.value, bool):
            peculiar[TRUE_IS_1] += 1
        else:
            faults.append(f"{peer.name}: {case.key[:30]} as {case.kind.value} for {case.who}: {fault}")
    count = len(cases) - peculiar.total()
    outcome.figures.append(
        Figure(
            name=f"{peer.name}: told what the document evaluates to",
            value=100 * (count - len(faults)) / count,
            unit="%",
            goal=Goal(at_least=100),
            note=f"{count - len(faults)} of {count}: value, variant, reason, rule, error",
        )
    )
    outcome.faults += faults[:20]
    outcome.notes += [f"{times} questions left out: {says}" for says, times in peculiar.items()]


def _difference(expected: Told, answer: Answered) -> str:
    """Empty where there is none."""
    found = answer.told()
    same_value = same(expected.value, found.value)
    # where the kind is wrong, some tell the rule all the same
    same_rule = expected.error is not None or expected.rule == found.rule
    rest = (expected.variant, expected.reason, expected.error)
    if same_value and same_rule and rest == (found.variant, found.reason, found.error):
        return ""
    return f"{found} is not {expected} ({answer.says[:200]})"


class _Refusal(msgspec.Struct, frozen=True):
    """A way to ask that is not answered; ``good`` is one that is. ``code`` is what programs for servers are told."""

    says: str
    url: str
    token: str
    context: dict[str, object]
    code: str
    good: tuple[str, str]


class _Site:
    """The store, its flags and its tokens."""

    def __init__(self, andon: Andon) -> None:
        self._andon = andon
        self.url = f"{andon.address}/ofrep/store/production"
        self.lived: dict[str, str] = {}
        self._values = iter(VALUES[1:])

    def fill(self) -> None:
        checkout = Checkout(self._andon.folder / "store", self._andon.create("store"), self._andon.token)
        checkout.commit({"andon.yaml": DEFINITION}, "Begin")
        checkout.push()
        moving = Planned(
            MOVING.key, {"default": VALUES[0]}, {"kind": "string", "variants": {one: one for one in VALUES}}
        )
        for flag in (*corpus.FLAGS, moving):
            head = msgspec.convert({"name": flag.name, **flag.head}, NewFlag)
            self._andon.client.post("/services/store/flags", FlagShape, head)
            self._set(flag.name, flag.setting)
        self.change()

    def _set(self, name: str, setting: Mapping[str, object]) -> None:
        place = f"/services/store/flags/{name}/environments/production"
        self._andon.client.put(place, Done, msgspec.convert({"setting": setting}, SettingChange))

    def expected(self, cases: Sequence[Case]) -> list[Told]:
        """Of the document."""
        found = Flags(document=self._document(), counting=False, variables={})
        return [corpus.expected(found, one) for one in cases]

    def _document(self) -> Mapping[str, object]:
        place = {"service": "store", "environment": "production"}
        return self._andon.client.get("/flags/document", dict[str, object], **place)

    def _serves(self, value: str) -> bool:
        flag = read(msgspec.json.encode(self._document())).flags.get(MOVING.key)
        return flag is not None and flag.default == value

    def change(self) -> str:
        """It is served when this returns, not just written down."""
        value = next(self._values)
        self._set(MOVING.key, {"default": value})
        until(lambda: self._serves(value), "the change is served")
        return value

    def restart(self) -> None:
        self._andon.stop()
        self._andon.start()

    def token(self) -> tuple[str, Callable[[], None]]:
        made = self._made(Permission.EVALUATE)
        return made.secret, lambda: self._andon.client.delete(f"/tokens/{made.token.id}")

    def _made(self, permission: Permission, days: float = 1) -> NewTokenView:
        wanted = TokenRequest(label="a benchmark", scopes=[permission], services=["store"], days=days)
        return self._andon.client.post("/tokens", NewTokenView, wanted)

    def secrets(self) -> shapes.Secrets:
        good, over = self._made(Permission.EVALUATE), self._made(Permission.EVALUATE, days=1e-6)
        time.sleep(1)
        return shapes.Secrets(good.secret, self._made(Permission.PUSH).secret, over.secret)

    def refusals(self) -> list[_Refusal]:
        return list(self._refusals(self.secrets()))

    def _refusals(self, secrets: shapes.Secrets) -> Iterator[_Refusal]:
        good = (self.url, secrets.good)
        who: dict[str, object] = {"targetingKey": "u1"}
        yield _Refusal("no token", self.url, "", who, "GENERAL", good)
        yield _Refusal("a wrong token", self.url, "andon_wrong", who, "GENERAL", good)
        yield _Refusal("a token that is over", self.url, secrets.over, who, "GENERAL", good)
        yield _Refusal("a token that may not", self.url, secrets.pushing, who, "GENERAL", good)
        nowhere = f"{self._andon.address}/ofrep/store/prodution"
        yield _Refusal("an unknown environment", nowhere, secrets.good, who, "FLAG_NOT_FOUND", good)
        yield _Refusal("a context that is none", self.url, secrets.good, dict(corpus.INVALID), "INVALID_CONTEXT", good)


if __name__ == "__main__":
    sys.exit(main("ofrep_conformance", __doc__, measure))
