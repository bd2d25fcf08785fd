"""Each rule of split stores holds over rows, and its scenario notices when the rule is removed."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from unittest.mock import patch

import pytest

from nexus_sdk.errors import NexusError
from nexus_sdk.store.split.memory_rows import RowMemoryStore
from tests.store.split_rules import RULES, Rule

BROKEN = (AssertionError, LookupError, NexusError, TimeoutError, ValueError)
"""What a scenario says whose rule does not hold."""

by_name = pytest.mark.parametrize("rule", RULES, ids=[rule.scenario.__name__ for rule in RULES])


@by_name
async def test_the_rule_holds(rule: Rule) -> None:
    await rule.scenario(RowMemoryStore())


@by_name
async def test_its_removal_is_noticed(rule: Rule) -> None:
    with ExitStack() as stack:
        for owner, name, made in rule.removal():
            stack.enter_context(patch.object(owner, name, made))
        with pytest.raises(BROKEN):
            async with asyncio.timeout(5):
                await rule.scenario(RowMemoryStore())


def test_all_seven_rules_are_there() -> None:
    assert {rule.number for rule in RULES} == set(range(1, 8))
