"""The addresses of the console's pages for an installation, and a browser that is signed in to it."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page

from andon.app.demo.shop import SERVICE
from tests.browser import DESKTOP, PHONE
from tests.journeys.customers import CHECKOUT
from tests.journeys.line import NAME, PASSWORD, Line

PLACE = f"/services/{SERVICE}/environments"


def begin(browser: Browser, link: str) -> BrowserContext:
    """Open the one-time link and become the administrator; the context is signed in."""
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Name").fill(NAME)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create the administrator").click()
    page.get_by_role("navigation", name="Rooms").wait_for()
    page.close()
    return context


def signed_in(
    browser: Browser, like: BrowserContext, *, dark: bool = False, phone: bool = False, script: bool = True
) -> BrowserContext:
    """Another window of the same person. Nothing in it moves, so that colours are measured at rest."""
    width, height = PHONE if phone else DESKTOP
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        java_script_enabled=script,
        storage_state=like.storage_state(),
    )


def addresses(line: Line, page: Page) -> dict[str, str]:
    """A name for every page to look at, and its address: those that have an id are found by way of other pages."""
    newest = line.run_of(line.commits[-1])
    deployment = line.deployments("production")[0].id
    page.goto(f"{line.console}/runs")
    faulty = page.locator("main a[href^='/runs/refused/']").first.get_attribute("href")
    page.goto(f"{line.console}{PLACE}/production")
    instance = page.locator(".tiles a").first.get_attribute("href")
    page.goto(f"{line.console}/record")
    event = page.locator(".event-at a").first.get_attribute("href")
    page.goto(f"{line.console}/people")
    colleague = page.get_by_role("link", name="Brent Geller").get_attribute("href")
    page.goto(f"{line.console}/people?which=erased")
    erased = page.locator(".people .row-title a").first.get_attribute("href")
    page.goto(f"{line.console}/hosts")
    host = page.locator("main th a").first.get_attribute("href")
    assert faulty and instance and event and colleague and erased and host  # noqa: PT018 - what the pages above must offer
    return {
        "overview": "/",
        "service": f"/services/{SERVICE}",
        "runs": "/runs",
        "runs-filtered": f"/runs?service={SERVICE}&state=passed",
        "run": f"/runs/{newest}",
        "run-tests": f"/runs/{newest}?job=commit/unit&tab=tests",
        "run-definition": f"/runs/{newest}?job=commit/unit&tab=definition",
        "run-attempts": f"/runs/{newest}?job=commit/unit&tab=attempts",
        "run-deployment": f"/runs/{newest}?job=production",
        "compare": f"/runs/{newest}/compare",
        "refused": faulty,
        "deploy": "/deploy",
        "deploy-console": f"{PLACE}/production/deploy",
        "deployments": "/deployments",
        "deployment": f"/deployments/{deployment}",
        "environments": "/environments",
        "environment": f"{PLACE}/production",
        "migrations": f"{PLACE}/production/migrations",
        "instance": instance,
        "graphs-home": "/graphs",
        "graphs-service": f"/graphs/services/{SERVICE}?environment=production&from=5m",
        "explore": "/graphs/explore?metric=andon_requests_total&from=5m",
        "logs": "/logs?from=5m",
        "log-patterns": "/logs/templates",
        "traces": "/traces",
        "trace": f"/traces/{CHECKOUT}",
        "registry": "/registry",
        "registry-service": f"/registry/{SERVICE}",
        "hosts": "/hosts",
        "host": host,
        "telemetry": "/telemetry",
        "record": "/record",
        "record-filtered": f"/record?service={SERVICE}&when=day",
        "event": event,
        "verify": "/record/verify",
        "dead-letters": "/dead-letters",
        "people": "/people",
        "people-found": "/people?q=store&which=invited",
        "invite": "/people/invite",
        "person": colleague,
        "person-erased": erased,
        "search": f"/search?q={SERVICE}",
        "account": "/account",
        "not-found": "/services/nothing-of-this-name",
    }
