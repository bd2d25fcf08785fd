"""versioning: an instance begins with the code of January and ends with that of February."""

import january
import pytest
import versioning as february

from nexus_sdk import NonDeterminismError, workflow
from nexus_sdk.testing import WorkflowEnvironment

ACTIVITIES = [january.open_account, january.send_invoice, february.send_guide, february.tax_for]


def in_january() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[january.welcome], activities=ACTIVITIES, clock="manual")


def in_february() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[february.welcome_1, february.welcome], activities=ACTIVITIES)


async def test_what_began_in_january_goes_on_in_february(capsys: pytest.CaptureFixture[str]):
    async with in_january() as env:
        ada = await env.start(january.welcome, "Ada")
        await env.advance("1s")
        await env.crash_worker()  # January's last worker
        async with env.another_worker([february.welcome_1, february.welcome], ACTIVITIES):
            await env.advance("1m")
            assert await ada.result() == "invoice for the account of Ada, 20 % tax"
    assert "guide" not in capsys.readouterr().out  # she had passed that line


async def test_workers_of_both_months_serve_side_by_side():
    async with in_february() as env, env.another_worker([january.welcome], ACTIVITIES):
        ada = await env.start(february.welcome_1, "Ada")  # whoever takes her up
        bob = await env.start(february.welcome, "Bob")  # January's worker leaves him alone
        assert (await ada.result()).startswith("invoice for the account of Ada")
        assert await bob.result() == "invoice for the account of Bob, 20 % tax"
        assert [(await one.status()).version for one in (ada, bob)] == ["1", "2"]


async def test_a_version_1_that_begins_in_february_gets_a_guide(capsys: pytest.CaptureFixture[str]):
    async with in_february() as env:
        await env.run(february.welcome_1, "Eve")
    assert "sending a guide" in capsys.readouterr().out


async def test_without_the_guard_it_would_be_blocked():
    @workflow(name="welcome")
    async def unguarded(ctx, customer: str, trial: float = 10.0):
        account = yield january.open_account(customer)
        yield february.send_guide(account)
        yield ctx.sleep(trial)
        yield ctx.complete((yield january.send_invoice(account)))

    async with in_january() as env:
        ada = await env.start(january.welcome, "Ada")
        await env.advance("1s")
        await env.crash_worker()
        async with env.another_worker([unguarded], ACTIVITIES):
            await env.advance("1m")
            with pytest.raises(NonDeterminismError, match="history has a timer .*the code now asks for activity"):
                await ada.result()
