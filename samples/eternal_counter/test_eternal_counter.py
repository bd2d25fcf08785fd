"""eternal_counter: over many runs no event is lost, none counts twice, and the history stays short."""

from eternal_counter import count

from nexus_sdk.testing import EnvironmentHandle, WorkflowEnvironment


async def test_it_counts_over_many_runs():
    async with WorkflowEnvironment(workflows=[count]) as env:
        handle = await env.start(count, 0, 10)
        for number in range(1, 101):
            await handle.send_event("add", number)
        await env.settle()
        assert await handle.query("total") == 5_050
        status = await handle.status()
        assert (status.status, status.run, status.custom_status) == ("running", 11, {"total": 5_050})
        assert len(await env.history(handle)) < 30


async def test_a_click_that_is_sent_twice_counts_once():
    async with WorkflowEnvironment(workflows=[count]) as env:
        handle = await env.start(count, 0, 1)
        for _ in range(3):
            await handle.send_event("add", 1, event_id="click-1")
            await env.settle()
        assert await handle.query("total") == 1


async def test_a_bad_event_does_not_end_it():
    async with WorkflowEnvironment(workflows=[count]) as env:
        handle = await env.start(count)
        for value in (1, "x", None, 2):
            await handle.send_event("add", value)
        await env.settle()
        assert await handle.query("total") == 3


async def test_it_can_be_asked_and_told_while_no_worker_runs():
    async with WorkflowEnvironment(workflows=[count], has_worker=False) as env:
        handle = await env.start(count, 5, 2)
        assert await handle.query("total") == 5
        for _ in range(5):
            await handle.send_event("add", 1)
        await env.restart_worker()
        await env.settle()
        assert await handle.query("total") == 10


async def test_it_ends_when_it_is_told_to():
    async with WorkflowEnvironment(workflows=[count]) as env:
        handle = await env.start(count)
        await env.settle()
        await handle.cancel("the museum closes")
        await env.settle()
        assert (await handle.status()).status == "cancelled"


async def test_wherever_it_is_killed_nothing_is_lost_and_nothing_counts_twice():
    async def three_come_and_the_museum_closes(env: WorkflowEnvironment, handle: EnvironmentHandle):
        for _ in range(3):
            await handle.send_event("add", 1)
            await env.settle()
        await env.run_until_idle()
        assert await handle.query("total") == 3
        await handle.cancel()

    async with WorkflowEnvironment(workflows=[count]) as env:
        assert await env.crash_everywhere(count, 0, 2, script=three_come_and_the_museum_closes) > 5
