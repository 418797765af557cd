"""Requests as a small shop has them: through four services, some slow, some failed, one with a query too many."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial

from andon.feedback.telemetry.contract.traces import Span, SpanEvent, SpanKind, SpanStatus

MS, SECOND = 10**6, 10**9
CHECKOUT = "c0ffee00" * 4
STACK = 'Traceback (most recent call last):\n  File "pay.py", line 41, in charge\nTimeoutError: <b>the bank</b>'


def span(
    id: int,
    parent: int | None,
    service: str,
    name: str,
    start: float,
    duration: float,
    *,
    trace: str = CHECKOUT,
    at: int = 1_790_000_000 * SECOND,
    kind: SpanKind = SpanKind.INTERNAL,
    failed: bool = False,
    message: str = "",
    attributes: Mapping[str, str] | None = None,
    events: tuple[SpanEvent, ...] = (),
    version: str = "3f2c91a",
    links: tuple[tuple[str, str], ...] = (),
) -> Span:
    """``start`` and ``duration`` in milliseconds, ``at`` (ns) the moment that ``start`` is counted from."""
    return Span(
        trace=trace,
        id=f"{id:016x}",
        parent="" if parent is None else f"{parent:016x}",
        service=service,
        environment="production",
        version=version,
        instance=f"{service}-1",
        name=name,
        kind=kind,
        start=at + int(start * MS),
        duration=int(duration * MS),
        status=SpanStatus.ERROR if failed else SpanStatus.UNSET,
        message=message,
        attributes=dict(attributes or {}),
        events=events,
        links=links,
    )


def checkout(at: int, trace: str = CHECKOUT) -> list[Span]:
    """A checkout whose payment failed, of 412 ms."""
    one = partial(span, trace=trace, at=at)
    server, client = SpanKind.SERVER, SpanKind.CLIENT
    broken = SpanEvent(
        time=at + 371 * MS,
        name="exception",
        attributes={"exception.type": "TimeoutError", "exception.stacktrace": STACK},
    )
    route = {
        "http.route": "/checkout",
        "http.request.method": "POST",
        "user_agent.original": "<script>alert(1)</script>",
    }
    made = [
        one(1, None, "store", "POST /checkout", 0, 412, kind=server, failed=True, attributes=route),
        one(2, 1, "store", "read basket", 4, 31),
        one(3, 2, "store", "SELECT basket", 6, 24, kind=client, attributes={"db.system": "postgresql"}),
        one(4, 1, "store", "GET /stock", 38, 96, kind=client),
        one(5, 4, "catalogue", "GET /stock", 41, 88, kind=server, version="9e4a2c6"),
        one(6, 1, "store", "POST /payments", 140, 262, kind=client, failed=True),
        # another machine's clock is 80 ms late
        one(7, 6, "payment", "POST /payments", 66, 250, kind=server, failed=True, version="b81d07e"),
        one(8, 7, "payment", "charge", 76, 232, failed=True, message="TimeoutError: the bank did not answer in 200 ms",
             events=(SpanEvent(time=broken.time - 80 * MS, name="exception", attributes=broken.attributes),),
             attributes={"bank": "Parts & Sons", "amount": "41.90", "currency": "EUR"}, version="b81d07e"),
        one(9, 1, "mail", "send receipt", 404, 60, kind=SpanKind.CONSUMER, version="d07f3b5",
             links=(("ab" * 16, "cd" * 8),)),
    ]  # fmt: skip
    made += [
        one(100 + n, 5, "catalogue", "SELECT stock", 44 + n * 2, 1.7, kind=client, version="9e4a2c6",
             attributes={"db.statement": f"SELECT amount FROM stock WHERE item = {n}"})
        for n in range(40)
    ]  # fmt: skip
    return made


def day(now: int, requests: int = 160, hours: float = 1) -> list[Span]:
    """Requests of the last hours (``now`` in ns), the checkout among them."""
    chance = random.Random(5)
    made = checkout(now - 20 * 60 * SECOND)
    for _ in range(requests):
        at = now - int(chance.random() * hours * 3600 * SECOND)
        trace = f"{chance.getrandbits(128):032x}"
        one = partial(span, trace=trace, at=at)
        kind = chance.choice(("GET /", "GET /", "GET /item/{id}", "GET /search", "POST /basket"))
        length = chance.lognormvariate({"GET /": 3.2, "GET /search": 5.4}.get(kind, 4.1), 0.5)
        failed = chance.random() < 0.06
        made += [
            one(1, None, "store", kind, 0, length, kind=SpanKind.SERVER, failed=failed,
                 attributes={"http.route": kind.split()[1]}),
            one(2, 1, "store", "GET /stock", 2, length * 0.6, kind=SpanKind.CLIENT),
            one(3, 2, "catalogue", "GET /stock", 3, length * 0.5, kind=SpanKind.SERVER, failed=failed,
                 version="9e4a2c6"),
        ]  # fmt: skip
        if kind == "GET /search":
            made.append(one(4, 1, "search", "query", 3, length * 0.9, version="51c8ea9"))
    return made


def wide(at: int, spans: int = 20_000, trace: str = "bada55ed" * 4) -> list[Span]:
    """A request as no one wants it: 20,000 spans."""
    chance = random.Random(11)
    one = partial(span, trace=trace, at=at)
    made = [one(1, None, "store", "rebuild index", 0, 60_000)]
    for number in range(2, spans + 1):
        parent = 1 if number < 50 else chance.randrange(1, number)
        service = ("store", "catalogue", "search")[number % 3]
        made.append(
            one(number, parent, service, f"step {number % 9}", chance.random() * 59_000, chance.random() * 900,
                 failed=number % 4001 == 0)
        )  # fmt: skip
    return made
