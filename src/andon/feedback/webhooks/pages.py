"""Webhooks as pages: the list, one with its last tries, and the form that adds one."""

from __future__ import annotations

from collections.abc import Sequence

from andon.feedback.webhooks.contract import WEBHOOKS, WebhookState
from andon.feedback.webhooks.delivering import Deliverer
from andon.feedback.webhooks.model.records import Delivery, Webhook
from andon.feedback.webhooks.service import WebhookService
from andon.feedback.webhooks.telling import address
from andon.kernel.access.contract import People
from andon.kernel.errors import AndonError, Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import Fact, State
from andon.web.rendering import plural
from andon.web.shell import Action, Crumb, Page

_CRUMBS = (Crumb("Webhooks", WEBHOOKS),)
OFFERED = (
    ("dev.andon.rollout.*", "rollouts, stage by stage"),
    ("dev.andon.release.*", "versions taken back late"),
    ("dev.andon.deployment.*", "deployments and roll-backs"),
    ("dev.andon.run.*", "runs of the pipeline"),
    ("dev.andon.flag.*", "flags and their ramps"),
    ("*", "everything"),
)


def webhook_pages(service: WebhookService, deliverer: Deliverer, people: People) -> Handlers:
    def form(context: PageContext, error: AndonError | None) -> Html:
        return context.page(
            "webhooks/add.html",
            Page(
                title="Add a webhook",
                sentence="Tell a program what happens",
                lede="Each event is posted as a CloudEvent, signed, in the order in which it happened, at least once.",
                crumbs=_CRUMBS,
            ),
            error=error,
            typed=context.form,
            chosen=context.all("types") if error else (),
            offered=OFFERED,
        )

    @page(WEBHOOKS)
    def listing(context: PageContext) -> Html:
        with context.database.reading() as reading:
            found = service.all(reading, context.principal)
        failing = sum(one.state is WebhookState.FAILING for one in found)
        return context.page(
            "webhooks/webhooks.html",
            Page(
                title="Webhooks",
                sentence=_list_sentence(found, failing),
                lede="What waits for them is kept: a test that is answered sends it." if failing else "",
                state=State.BAD if failing else None,
                word="not answering" if failing else "",
            ),
            webhooks=[(one, state_of(one), address(one.id)) for one in found],
        )

    @page(f"{WEBHOOKS}/add")
    def adding(context: PageContext) -> Html:
        with context.database.reading() as reading:
            service.all(reading, context.principal)  # refuses whoever administers nothing, before they type
        return form(context, None)

    @deed(WEBHOOKS)
    def add(context: PageContext) -> Html:
        wanted = [*context.all("types"), *context.form.get("more", "").split()]
        try:
            with context.database.transaction() as tx:
                one, secret = service.add(
                    tx,
                    context.principal,
                    url=context.form.get("url", ""),
                    types=wanted,
                    service=context.form.get("service", "").strip() or None,
                )
        except Invalid as error:
            return form(context, error)  # with what was typed, to be mended
        return context.page(
            "webhooks/added.html",
            Page(title="Added", sentence=f"{one.host} is told from now on", crumbs=_CRUMBS),
            secret=secret,
            href=address(one.id),
        )

    @page(f"{WEBHOOKS}/{{webhook:str}}")
    def show(context: PageContext, webhook: str) -> Html:
        with context.database.reading() as reading:
            one = service.get(reading, context.principal, webhook)
            tries = service.deliveries(reading, one)
            owner = people.names(reading, [one.owner])[one.owner]
        state, word = state_of(one)
        return context.page(
            "webhooks/webhook.html",
            Page(
                title=one.host,
                sentence=_sentence(one),
                lede=_lede(one, tries),
                crumbs=_CRUMBS,
                state=state if one.error else None,
                word=word if one.error else "",
            ),
            webhook=one,
            facts=_facts(one, owner),
            tries=tries,
            test=Action("Send a test", f"{address(one.id)}/test", kind="primary", icon="run"),
            remove=Action(
                f"Remove {one.host}",
                f"{address(one.id)}/remove",
                kind="danger",
                confirm=one.host,
                warning="Nothing is sent there any more, nor what waits. Its secret is gone for good.",
            ),
        )

    @deed(f"{WEBHOOKS}/{{webhook:str}}/test")
    def test(context: PageContext, webhook: str) -> Html:
        deliverer.test(context.principal, webhook)
        return context.go(f"{WEBHOOKS}/{webhook}#deliveries")

    @deed(f"{WEBHOOKS}/{{webhook:str}}/remove")
    def remove(context: PageContext, webhook: str) -> Html:
        with context.database.transaction() as tx:
            one = service.get(tx, context.principal, webhook)
            if context.form.get("confirm", "").strip() != one.host:
                raise Invalid(
                    "What was typed is not the name.", safe="Nothing was changed.", remedy=f"Type {one.host}."
                )
            service.remove(tx, context.principal, webhook)
        return context.go(WEBHOOKS)

    return [listing, adding, add, show, test, remove]


def state_of(one: Webhook) -> tuple[State, str]:
    """How it is, with the word beside the colour."""
    if one.state is WebhookState.FAILING:
        return State.BAD, "given up"
    if one.error:
        return State.WARN, "tried again"
    if one.delivered_at is None:
        return State.NONE, "nothing sent yet"
    return State.OK, "answers"


def _list_sentence(found: Sequence[Webhook], failing: int) -> str:
    if not found:
        return "No other program is told what happens"
    if failing:
        return f"{failing} of {plural(len(found), 'webhook')} given up, because nobody took what was sent"
    return f"{plural(len(found), 'program')} {'is' if len(found) == 1 else 'are'} told what happens"


def _sentence(one: Webhook) -> str:
    if one.state is WebhookState.FAILING:
        return f"{one.host} was given up after {plural(one.attempts, 'attempt')}; what happens waits for it"
    if one.error:
        return f"{one.host} did not take the last event; it is tried again"
    return f"{one.host} is told what happens"


def _lede(one: Webhook, tries: Sequence[Delivery]) -> str:
    if one.error:
        return f"{one.error[:1].upper()}{one.error[1:].removesuffix('.')}."
    if tries and not tries[0].taken:
        return f"It did not take the last test: {tries[0].problem}."
    return ""


def _facts(one: Webhook, owner: str) -> tuple[Fact, ...]:
    return (
        Fact("Address", one.url, mono=True),
        Fact("Is told", ", ".join(one.types), mono=True),
        Fact("Of", one.service or "every service"),
        Fact("Sees what may be seen by", owner),
        Fact("Added", one.created_at),
        *((Fact("Last taken", one.delivered_at),) if one.delivered_at else ()),
        *((Fact("Fails since", one.failed_since),) if one.failed_since else ()),
        *((Fact("Tried again", one.next_at),) if one.next_at else ()),
    )
