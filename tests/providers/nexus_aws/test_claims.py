"""Whoever serves a workflow and its activities takes no activity off a queue that follows from a turn of his own: each
turn is one conditional write, with the lease on what it asks for in it. Counted where the requests leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nexus_aws import lambda_handler
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, Retry, activity, workflow
from nexus_sdk.runtimes.clock import SystemClock
from nexus_sdk.runtimes.local import local_environment
from nexus_sdk.testing import WorkflowEnvironment
from tests.providers.nexus_aws.cloud import Cloud, now, run
from tests.providers.nexus_aws.pump import sync
from tests.providers.nexus_aws.test_function import Invocation, bell
from tests.providers.nexus_aws.test_limits import Asked

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

HOUR = 3_600


@activity
async def add(n: int) -> int:
    return n + 1


@activity(task_queue="slow")
def add_slowly(n: int) -> int:
    return n + 1


@workflow
async def from_the_start(ctx: Context) -> int:
    return await add(0)


@workflow
async def one_after_another(ctx: Context) -> int:
    return await add(await add_slowly(await add(0)))


@workflow
async def after_a_timer(ctx: Context) -> int:
    await ctx.sleep("1h")
    return await add(0)


@workflow
async def after_an_event(ctx: Context) -> int:
    return await add(await ctx.wait_for_event("go", int))


@workflow
async def after_a_child(ctx: Context) -> int:
    return await add(await from_the_start())


@workflow
async def side_by_side(ctx: Context) -> int:
    return sum(await ctx.gather(*(add(n) for n in range(40))))


WORKFLOWS = [from_the_start, one_after_another, after_a_timer, after_an_event, after_a_child, side_by_side]
ACTIVITIES = [add, add_slowly]

PATHS: dict[str, tuple[int, int]] = {
    "from_the_start": (1, 2),
    "one_after_another": (3, 4),
    "after_a_timer": (1, 3),
    "after_an_event": (0, 3),
    "after_a_child": (2, 3),
    "side_by_side": (820, 2),
}
"""By workflow: its result, and so many turns of its own it takes: one for each thing that it waited for, and one."""


def is_of_a_task(parameters: Any) -> bool:
    """Whether a write concerns a task alone: that is a lease."""
    return str(parameters["Item"]["sk"]["S"]).startswith("t/")


def costs(asked: Asked) -> dict[str, Any]:
    """What the requests were: leases of tasks, messages of tasks, and turns of the instance ``it``."""
    turns = Counter[str]()
    for parameters in asked.of("TransactWriteItems"):
        heads = [put["Item"] for put in (each.get("Put") for each in parameters["TransactItems"]) if put]
        batches = [item for item in heads if "/b/" in item["sk"]["S"]]
        turns.update(item["pk"]["S"] for item in batches)
    sends = [parameters["QueueUrl"].rpartition("/")[2] for parameters in asked.of("SendMessageBatch")]
    return {
        "leases": sum(is_of_a_task(parameters) for parameters in asked.of("PutItem")),
        "sent": [queue for queue in sends if "-queue-" in queue],
        "turns": turns["default/it"] - 1,  # its creation
    }


@pytest.mark.parametrize("name", [name for name in PATHS if name != "side_by_side"])
async def test_a_worker_claims_what_its_turns_ask_for(cloud: Cloud, name: str) -> None:
    """What comes side by side is taken off the queue as far as the slots are, which a request in flight may fill."""
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    expected, turns = PATHS[name]
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES, store=store, clock="manual") as env:
        handle = await env.start(name, id="it")
        await env.settle()
        if name == "after_an_event":
            await handle.send_event("go", -1)
        await env.advance(f"{HOUR}s")
        await env.settle()
        assert await handle.result() == expected
    assert costs(asked) == {"leases": 0, "sent": [], "turns": turns}


class Ahead(SystemClock):
    """Real time, and what a test has let pass."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


@pytest.fixture
def ring(cloud: Cloud) -> Callable[[str, str], tuple[Asked, Any]]:
    """Starts an instance of a workflow, and invokes one function with bells for it and for its child until both have
    ended; what was asked for, and its result."""
    now.set(0)

    def play(name: str, id: str) -> tuple[Asked, Any]:
        asked, clock = Asked(cloud), Ahead()
        table = f"claims-{next(cloud._tables)}"
        store = AwsStore(table, f"{table}-nexus", asked, poll_seconds=0.05)
        run(store.migrate())
        environment = replace(local_environment(), clock=clock)
        app = Nexus(store, workflows=WORKFLOWS, activities=ACTIVITIES, environment=environment)
        function = lambda_handler(app)
        function({"action": "start", "workflow": name, "id": id}, Invocation())
        function(bell(cloud, store, id), Invocation())
        if name == "after_an_event":
            function({"action": "event", "id": id, "name": "go", "payload": -1}, Invocation())
        for _ in range(9):
            for listed in function({"action": "list"}, Invocation())["instances"]:
                function(bell(cloud, store, listed["id"]), Invocation())
            if function({"action": "status", "id": id}, Invocation())["status"] != "running":
                break
            clock.ahead_us += HOUR * 1_000_000
        said = function({"action": "result", "id": id}, Invocation())
        function.close()
        sync(store.close())
        return asked, said["result"]

    return play


@pytest.mark.parametrize("name", PATHS)
def test_a_function_claims_what_its_turns_ask_for(ring: Callable[[str, str], tuple[Asked, Any]], name: str) -> None:
    expected, turns = PATHS[name]
    asked, result = ring(name, "it")
    assert result == expected
    assert costs(asked) == {"leases": 0, "sent": [], "turns": turns}


TRIES: list[int] = []


@activity(local=True, retry=Retry(initial="10s", jitter="none"))
async def add_here(n: int) -> int:
    TRIES.append(n)
    if len(TRIES) == 1:
        raise ConnectionError("not yet")
    return n + 1


@workflow
async def here(ctx: Context) -> int:
    return await add_here(0)


async def test_a_local_activity_is_made_again_by_whoever_hears_the_bells(cloud: Cloud) -> None:
    """Its message has no queue of its own: nobody has to ask for it beside the bells."""
    TRIES.clear()
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    async with WorkflowEnvironment([here], [add_here], store=store, clock="manual") as env:
        handle = await env.start(here, id="it")
        await env.settle()
        assert TRIES == [0]
        await env.advance("11s")
        assert await handle.result() == 1
    assert not any("local" in parameters["QueueUrl"] for parameters in asked.of("ReceiveMessage"))
