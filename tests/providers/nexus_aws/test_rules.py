"""The rules of split stores on DynamoDB, SQS and S3: `tests/store/split_rules.py` has the table.

Each scenario runs here with the requests of this provider; that it notices when its rule is removed is shown here for a
few, and for all of them over rows in memory (`tests/store/test_split_rules.py`), and here at night.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from unittest.mock import patch

import pytest

from nexus_sdk.store.port import TURNS
from nexus_sdk.testing.provider_suite.builders import ANNA, at, started, task
from tests.providers.nexus_aws.cloud import Cloud
from tests.store.split_rules import RULES, Rule, Tampered
from tests.store.test_split_rules import BROKEN

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

BY_DAY = ("sent_means_sent", "a_batch_is_found_again", "the_sweep_finds_unsent_outboxes", "an_old_message_runs_nothing")
NIGHTLY = os.environ.get("NEXUS_NIGHTLY") == "1"


@pytest.mark.parametrize("rule", RULES, ids=[rule.scenario.__name__ for rule in RULES])
async def test_the_rule_holds(cloud: Cloud, rule: Rule) -> None:
    await rule.scenario(cloud.stores(outbox_grace_seconds=5.0)())


REMOVED = [rule for rule in RULES if NIGHTLY or rule.scenario.__name__ in BY_DAY]


@pytest.mark.parametrize("rule", REMOVED, ids=[rule.scenario.__name__ for rule in REMOVED])
async def test_its_removal_is_noticed(cloud: Cloud, rule: Rule) -> None:
    store = cloud.stores(outbox_grace_seconds=5.0)()
    with ExitStack() as stack:
        for owner, name, made in rule.removal():
            stack.enter_context(patch.object(owner, name, made))
        with pytest.raises(BROKEN):
            async with asyncio.timeout(30):
                await rule.scenario(store)


async def test_long_timers_are_in_the_index_and_not_in_messages_that_are_delayed_again(cloud: Cloud) -> None:
    store = cloud.stores()()
    queues = Tampered(store)
    cloud.requests.clear()
    await started(store, "near", wake_at_us=at(900))
    near = cloud.requests["SendMessageBatch"]
    await started(store, "far", task("far", not_before_us=at(5_000)), wake_at_us=at(5_000))
    assert cloud.requests["SendMessageBatch"] - near == near - 1  # that of its start, and none for what is far
    assert any(ring.visible_us == at(5_000) for ring in queues.was_put)
    await store.due(before_us=at(5_000), limit=9)
    received = await store.receive([TURNS, "work"], limit=9, lease=ANNA, now_us=at(5_000))
    assert sorted(type(found).__name__ for found in received.deliveries) == [
        "TaskDelivery",
        "TurnDelivery",
        "TurnDelivery",
    ]
