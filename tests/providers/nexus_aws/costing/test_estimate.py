"""An estimate as a whole: what is deployed is what is assumed, and what is kept is paid for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexus_aws.costing import cloud
from nexus_aws.costing.estimate import ALARMS, DEPLOYED_SECONDS, POLL_SECONDS, POLLERS
from nexus_aws.deploying.alarms import alarm_resources
from nexus_aws.deploying.platform import SETTINGS
from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.building.settings import Settings
from nexus_sdk.core.status import Status
from nexus_sdk.costing.answers import Answers
from nexus_sdk.costing.estimate import Assumptions, find_cloud
from nexus_sdk.costing.rehearsal import Case
from nexus_sdk.errors import ProviderMissing

USUAL = Assumptions()


@activity
async def charge(cents: int) -> int:
    return cents


@activity(task_queue="slow")
async def pack(cents: int) -> int:
    return cents


@workflow
async def steps(ctx: Context, number: int) -> None:
    for n in range(number):
        await charge(n)


@workflow
async def broken(ctx: Context) -> None:
    await charge(1)
    raise LookupError("nobody there")


ONE_QUEUE = Nexus("memory://", workflows=[steps, broken], activities=[charge])
TWO_QUEUES = Nexus("memory://", workflows=[steps], activities=[charge, pack])


def test_what_is_assumed_is_what_is_deployed() -> None:
    values = {setting.name: setting.default for setting in SETTINGS}
    resources = alarm_resources(Settings("orders", "dev", values, {}, {})).values()
    assert sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in resources) == ALARMS
    assert (values["memory"], values["timeout"]) == (USUAL.memory_mb, DEPLOYED_SECONDS)


def test_every_meter_has_a_price_with_its_source_and_the_table_its_day() -> None:
    assert all(price.source and price.unit and price.per > 0 for price in cloud.prices.prices.values())
    assert cloud.prices.as_of > "2026"


async def test_all_that_is_used_has_a_price_and_nothing_has_one_that_nobody_uses() -> None:
    found = await cloud.estimate(Case(ONE_QUEUE, steps(1), Answers()), USUAL)
    meters = {meter for offer in (found.ours, *found.others) for meter in (*offer.a_run, *offer.a_month)}
    unused = {"s3.get", "s3.storage_gb_month"}  # nothing here is large
    assert meters | unused == set(cloud.prices.prices)


async def test_an_idle_month_has_the_polls_of_each_queue() -> None:
    one, two = [await cloud.estimate(Case(app, steps(1), Answers()), USUAL) for app in (ONE_QUEUE, TWO_QUEUES)]
    polls = POLLERS * 730 * 3_600 / POLL_SECONDS
    assert two.ours.a_month["sqs.request"] - one.ours.a_month["sqs.request"] == pytest.approx(polls)
    assert one.ours.a_month["scheduler.invocation"] == 43_800


async def test_what_is_kept_for_longer_costs_more_and_only_its_storage() -> None:
    case = Case(ONE_QUEUE, steps(2), Answers())
    short, long = [await cloud.estimate(case, replace(USUAL, keep_days=days)) for days in (10, 30)]
    differing = {meter for meter, quantity in long.ours.a_run.items() if quantity != short.ours.a_run[meter]}
    assert differing == {"dynamodb.storage_gb_month", "dynamodb.backup_gb_month"}
    assert all(long.ours.a_run[meter] == pytest.approx(3 * short.ours.a_run[meter]) for meter in differing)


async def test_more_steps_cost_as_much_more_each_time() -> None:
    """It is linear: no step is dearer because there were others before."""
    costs = [
        cloud.prices.cost((await cloud.estimate(Case(ONE_QUEUE, steps(n), Answers()), USUAL)).ours.a_run)
        for n in (5, 10, 15)
    ]
    assert costs[2] - costs[1] == pytest.approx(costs[1] - costs[0], rel=0.05)


async def test_how_a_run_ends_is_part_of_the_estimate() -> None:
    found = await cloud.estimate(Case(ONE_QUEUE, broken(), Answers()), USUAL)
    status = found.counted.status
    assert status.status is Status.FAILED
    assert status.failure is not None
    assert status.failure.message == "nobody there"


def test_clouds_are_found_by_name() -> None:
    assert find_cloud("aws") is cloud
    with pytest.raises(ProviderMissing, match="'mars'") as refused:
        find_cloud("mars")
    assert "aws" in refused.value.hint
