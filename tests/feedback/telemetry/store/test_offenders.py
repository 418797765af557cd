"""Whoever reaches the limit is told which label did it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.offenders import Offender, Varying, offenders
from tests.feedback.telemetry.asking.filling import NOW, InStore, series


@pytest.fixture
def store(engine: Engine) -> Iterator[InStore]:
    made = InStore(engine)
    yield made
    made.close()


def test_the_report_names_the_service_the_metric_and_the_label_with_examples(store: InStore) -> None:
    for user in range(8):
        store.put(series("basket", service="shop", user=f"u{user}", zone=f"z{user % 2}"), [NOW], [1])
    store.put(series("up", service="shop"), [NOW], [1])
    store.put(series("up"), [NOW], [1])
    store.put(series("up", service="till", host="a"), [NOW], [1])
    assert offenders(store.engine, 10, lambda: NOW) == (
        Offender(
            service="shop",
            series=9,
            limit=10,
            names=(
                Varying(name="basket", series=8, label="user", values=8, examples=("u0", "u1", "u2", "u3", "u4")),
                Varying(name="up", series=1, label="service", values=1, examples=("shop",)),
            ),
        ),
    )


def test_nobody_is_named_who_is_far_from_the_limit_and_labels_may_be_none(store: InStore) -> None:
    store.put(series("up"), [NOW], [1])
    assert offenders(store.engine, 100, lambda: NOW) == ()
    (found,) = offenders(store.engine, 1, lambda: NOW)
    assert (found.service, found.full) == ("", True)
    assert found.names == (Varying(name="up", series=1, label="", values=0, examples=()),)
