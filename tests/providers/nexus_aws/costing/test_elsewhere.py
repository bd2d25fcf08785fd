"""The same work on the other products, by their published rules."""

from __future__ import annotations

import pytest

from nexus_aws.costing import cloud
from nexus_aws.costing.elsewhere import DURABLE_OPERATIONS_MAX, GB, durable_functions, step_functions
from nexus_sdk.costing.comparing import Offer
from nexus_sdk.costing.estimate import Assumptions
from nexus_sdk.costing.work import Work

WORK = Work(
    runs=2, activities=4, attempts=5, timers=1, events=1, children=1, fan_outs=1, turns=9, waits=2, value_bytes=GB
)
ASSUMED = Assumptions(activity_ms=90, overhead_ms=10, request_ms=10, memory_mb=1_024, keep_days=30)


def cost(offer: Offer) -> float:
    return cloud.prices.cost(offer.a_run)


def test_step_functions_are_paid_by_the_transition_and_the_functions_they_invoke() -> None:
    offer = step_functions(WORK, ASSUMED, log_bytes=0)
    assert offer.a_run["stepfunctions.transition"] == 2 + 5 + 1 + 1 + 1 + 1
    assert offer.a_run["lambda.request"] == 5
    assert offer.a_run["lambda.gb_second"] == pytest.approx(5 * 0.1)
    assert offer.a_month == {}


def test_durable_functions_are_paid_by_the_operation_and_what_they_keep() -> None:
    offer = durable_functions(WORK, ASSUMED, worked_us=300_000, log_bytes=0)
    assert offer.a_run["durable.operation"] == 2 + 5 + 1 + 1 + 1
    assert offer.a_run["durable.written_gb"] == 1
    assert offer.a_run["durable.retained_gb_month"] == pytest.approx(30 * 24 / 730)
    assert offer.a_run["lambda.request"] == 2 + 2
    assert offer.a_run["lambda.gb_second"] == pytest.approx(0.3 + 0.1 + 0.04)


def test_the_published_example_of_durable_functions_comes_out() -> None:
    """A million executions of four operations: 32 dollars for the operations."""
    offer = durable_functions(Work(runs=1, activities=3, attempts=3), ASSUMED, worked_us=0, log_bytes=0)
    assert 1e6 * cloud.prices.prices["durable.operation"].of(offer.a_run["durable.operation"]) == pytest.approx(32)


def test_a_run_of_more_operations_than_are_allowed_is_said() -> None:
    many = Work(runs=1, activities=DURABLE_OPERATIONS_MAX, attempts=DURABLE_OPERATIONS_MAX)
    assert any("3,000" in note for note in durable_functions(many, ASSUMED, worked_us=0, log_bytes=0).notes)
    assert not any("3,000" in note for note in durable_functions(WORK, ASSUMED, worked_us=0, log_bytes=0).notes)


def test_no_work_costs_nothing() -> None:
    assert cost(step_functions(Work(), ASSUMED, log_bytes=0)) == 0
    assert cost(durable_functions(Work(), ASSUMED, worked_us=0, log_bytes=0)) == 0
