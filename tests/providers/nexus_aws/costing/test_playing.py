"""The counted run is the run that the provider makes: on an emulator of AWS it asks for exactly the same."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from nexus_aws.costing import playing
from nexus_aws.costing.metered import InMemory, Metered, Services
from nexus_aws.costing.playing import Played, Playing
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, Retry, activity, workflow
from nexus_sdk.costing.answers import Answers, Arrival
from nexus_sdk.costing.estimate import Assumptions
from nexus_sdk.costing.rehearsal import Case, Rehearsal
from nexus_sdk.errors import ClockRunsAway, NothingIsDue
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.served import ACTIVITIES, WORKFLOWS, fulfil

TABLES = count(1)


@activity(retry=Retry(max_attempts=3, initial="20m", jitter="none"))
async def charge(cents: int) -> int:
    return cents


@activity(local=True)
async def note(text: str) -> str:
    return text


@workflow
async def steps(ctx: Context, number: int) -> int:
    for n in range(number):
        await charge(n)
    return number


@workflow
async def jotted(ctx: Context, number: int) -> int:
    for n in range(number):
        await note(str(n))
    return number


@workflow
async def heavy(ctx: Context) -> str:
    return await note("x" * 100_000)


@workflow
async def waits(ctx: Context) -> Any:
    return await ctx.wait_for_event("approved", bool)


@workflow
async def endless(ctx: Context) -> None:
    await ctx.sleep("1h")
    await ctx.continue_as_new()


OWN = Nexus("memory://", workflows=[steps, jotted, heavy, waits, endless], activities=[charge, note])
SERVED = Nexus("memory://", workflows=WORKFLOWS, activities=ACTIVITIES)
USUAL = Assumptions()


class OnEmulator:
    """See `Services`: moto, on the clock of the run."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.asked = 0

    async def prepare(self, table: str) -> None:
        """Make what a deployment makes."""
        store = AwsStore(table, f"{table}-nexus", self._cloud)
        await store.migrate()
        for queue in ("default", "slow"):
            await store.sqs._url(queue)
        self._cloud.requests.clear()

    async def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], now_us: int
    ) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        now.set(now_us)
        self.asked += 1
        return await self._cloud(service, operation, parameters), {}


class Failing(Answers):
    """The first attempt of each activity fails."""

    def of(self, activity: Any, request: Any) -> Any:
        answer = super().of(activity, request)
        return answer if request.failures else type(answer)(error=ValueError("not yet"))


async def played(case: Case, services: Services | None = None, assumptions: Assumptions = USUAL) -> Played:
    """The run; and nothing was waited for that its clock does not govern."""
    table = f"costing-{next(TABLES)}"
    if isinstance(services, OnEmulator):
        await services.prepare(table)
    with Rehearsal(case, activity_seconds=assumptions.activity_ms / 1_000) as rehearsal:
        metered = Metered(services or InMemory(), rehearsal.clock, request_seconds=assumptions.request_ms / 1_000)
        play = Playing(case, rehearsal, metered, assumptions, table=table)
        found = await play.play()
        await play.close()
    if services is None:
        assert rehearsal.stalls == 0
    return found


CASES = {
    "everything": lambda: Case(SERVED, fulfil(1), Answers(), (Arrival("approved", True),)),
    "steps": lambda: Case(OWN, steps(3), Answers()),
    "local steps": lambda: Case(OWN, jotted(3), Answers()),
    "retries": lambda: Case(OWN, steps(2), Failing()),
    "local retries": lambda: Case(OWN, jotted(2), Failing()),
    "large values": lambda: Case(OWN, heavy(), Answers({"note": "x" * 100_000})),
}


@pytest.mark.component
@pytest.mark.parametrize("name", CASES)
async def test_what_is_counted_is_what_leaves_the_process_on_an_emulator(cloud: Cloud, name: str) -> None:
    emulator = OnEmulator(cloud)
    real = await played(CASES[name](), emulator)
    assert cloud.requests.total() == emulator.asked  # the hook of botocore: a request is one request
    counted = await played(CASES[name]())
    assert counted.requests == real.requests
    assert counted.invocations == real.invocations


async def test_a_step_is_what_the_documentation_says() -> None:
    """One conditional write of four rows, twice each; two entries of the index of what needs a look; nothing read."""
    three, eight = [await played(Case(OWN, jotted(number), Answers())) for number in (3, 8)]
    more = {meter: eight.used[meter] - three.used[meter] for meter in three.used}
    assert more["dynamodb.write_unit"] == 5 * (8 + 2)
    assert more["dynamodb.read_unit"] == 0
    assert more["sqs.request"] == 0
    assert more["lambda.request"] == 0
    assert more["lambda.gb_second"] == pytest.approx(5 * 0.110)  # the activity, and the request


async def test_a_timer_beyond_the_reach_of_queues_costs_a_call_of_the_schedule_more() -> None:
    found = await played(Case(OWN, steps(1), Failing()))
    assert found.invocations["sweep"] >= 1  # the month has them anyway: only what they do more is the run's
    assert found.used["lambda.request"] == found.invocations["start"] + found.invocations["delivery"]


async def test_a_local_attempt_that_failed_is_made_again_without_a_call_of_the_schedule() -> None:
    """Its message comes with the bells: no queue of a function is without an event source."""
    found = await played(CASES["local retries"]())
    assert "sweep" not in found.invocations
    assert found.seconds < 10


async def test_a_large_value_lies_in_the_bucket() -> None:
    found = await played(Case(OWN, heavy(), Answers({"note": "x" * 100_000})))
    assert found.used["s3.put"] >= 2  # what it is given, and what it returns
    assert found.used["dynamodb.write_unit"] < 60


async def test_what_is_kept_costs_the_schedule_nothing() -> None:
    """No call of the schedule reads what has ended, however much of it is kept."""
    found = await played(Case(SERVED, fulfil(1), Answers(), (Arrival("approved", True),)))
    assert found.kept == {}
    assert (
        found.idle["dynamodb.read_unit"] == 2.5
    )  # four shards of what needs a look, and the blocked: half a unit each


async def test_an_estimate_is_the_same_each_time() -> None:
    first, second = [await played(CASES["everything"]()) for _ in range(2)]
    assert first == second


async def test_a_longer_activity_is_billed_for_longer() -> None:
    slow = await played(Case(OWN, steps(2), Answers()), assumptions=Assumptions(activity_ms=1_100))
    fast = await played(Case(OWN, steps(2), Answers()))
    assert slow.used["lambda.gb_second"] - fast.used["lambda.gb_second"] == pytest.approx(2.0)


async def test_a_long_activity_prolongs_its_lease() -> None:
    """Every twenty seconds: a write of the task, and two entries of the index that move."""
    minutes = [
        await played(Case(OWN, steps(1), Answers()), assumptions=Assumptions(activity_ms=60_000 * n)) for n in (1, 3)
    ]
    assert minutes[1].requests["dynamodb PutItem"] - minutes[0].requests["dynamodb PutItem"] == pytest.approx(6, abs=1)


async def test_an_event_that_nobody_sends_is_told() -> None:
    with pytest.raises(NothingIsDue, match="waits for the event 'approved'") as told:
        await played(Case(OWN, waits(), Answers()))
    assert "--event approved=JSON" in told.value.hint


async def test_an_event_comes_when_it_is_said_to() -> None:
    found = await played(Case(OWN, waits(), Answers(), (Arrival("approved", True, after_us=3_600_000_000),)))
    assert found.seconds == pytest.approx(3_600, abs=1)


async def test_an_event_that_comes_too_late_is_no_failure() -> None:
    arrivals = (Arrival("approved", True), Arrival("approved", False))
    assert (await played(Case(OWN, waits(), Answers(), arrivals))).invocations["event"] >= 1


async def test_a_run_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "INVOCATIONS_MAX", 20)
    with pytest.raises(ClockRunsAway, match="has caused 20 invocations"):
        await played(Case(OWN, endless(), Answers()))
