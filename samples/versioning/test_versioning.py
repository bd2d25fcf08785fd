"""versioning: an instance begins with the code of January and ends with that of February."""

import january
import pytest
import versioning as february

from nexus_sdk import Context, NonDeterminismError, workflow
from nexus_sdk.testing import WorkflowEnvironment, assert_replays

ACTIVITIES = [january.open_account, january.send_invoice, february.send_guide, february.tax_for]


def in_january() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[january.welcome], activities=ACTIVITIES, clock="manual")


def in_february() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[february.welcome_1, february.welcome], activities=ACTIVITIES)


async def test_what_began_in_january_goes_on_in_february():
    async with in_january() as env:
        ada = await env.start(january.welcome, "Ada")
        await env.advance("1s")
        await env.crash_worker()  # January's last worker
        async with env.another_worker([february.welcome_1, february.welcome], ACTIVITIES):
            await env.advance("1m")
            assert await ada.result() == "invoice for the account of Ada, 20 % tax"
        assert env.calls("send_guide") == []  # she had passed that line


async def test_workers_of_january_leave_version_2_alone():
    async with in_january() as env, env.another_worker([february.welcome_1, february.welcome], ACTIVITIES):
        bob = await env.another_app([february.welcome], ACTIVITIES).client().start(february.welcome, "Bob")
        await env.advance("1m")
        assert (await bob.status()).version == "2"
        assert await bob.result() == "invoice for the account of Bob, 20 % tax"


async def test_a_version_1_that_begins_in_february_gets_a_guide():
    async with in_february() as env:
        await env.run(february.welcome_1, "Eve")
        assert env.calls(february.send_guide) == [("account of Eve",)]


async def test_the_history_of_january_replays_with_the_code_of_february():
    async with in_january() as env:
        ada = await env.start(january.welcome, "Ada")
        await env.advance("1s")
        recorded = await ada.history()
    assert_replays(february.welcome_1, recorded)
    with pytest.raises(NonDeterminismError, match=r"history has a timer .*the code now asks for activity 'send_guide'"):
        assert_replays(unguarded, recorded)


@workflow(name="welcome")
async def unguarded(ctx: Context, customer: str, trial: float = 10.0):
    """What somebody might have written in February."""
    account = yield january.open_account(customer)
    yield february.send_guide(account)
    yield ctx.sleep(trial)
    yield ctx.complete((yield january.send_invoice(account)))
