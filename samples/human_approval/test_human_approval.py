"""human_approval: an answer in time, late, from another, from nobody, and one that makes no sense."""

from human_approval import Expense, approve_expense, pay_out, write_to

from nexus_sdk.testing import WorkflowEnvironment

TRAIN = Expense("Ada", 45_000)


def environment(clock: str = "manual") -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[approve_expense], activities=[write_to, pay_out], clock=clock)


def written_to(env: WorkflowEnvironment) -> list[str]:
    """To whom mails went, in order."""
    return [person for person, _ in env.calls(write_to)]


async def test_an_approved_expense_is_paid():
    async with environment() as env:
        handle = await env.start(approve_expense, TRAIN)
        await env.advance("1d")
        await handle.send_event("decision", {"approved": True, "by": "Grace"})
        assert await handle.result() == {
            "approved": True,
            "by": "Grace",
            "paid": "45000 cents with the next wages of Ada",
        }
        assert written_to(env) == ["manager", "Ada"]


async def test_a_refused_one_is_not():
    async with environment() as env:
        handle = await env.start(approve_expense, TRAIN)
        await handle.send_event("decision", {"approved": False, "by": "Grace", "because": "Walk."})
        assert (await handle.result())["paid"] is None
        assert env.calls(write_to)[-1] == ("Ada", "a train to Cambridge was refused by Grace. Walk.")
        assert env.calls(pay_out) == []


async def test_the_manager_is_reminded_then_the_director_is_asked():
    async with environment() as env:
        handle = await env.start(approve_expense, TRAIN)
        await env.advance("3d")
        assert (await handle.status()).custom_status == {"waits for": "manager"}
        await env.advance("2d")
        assert (await handle.status()).custom_status == {"waits for": "director"}
        await handle.send_event("decision", {"approved": True, "by": "Barbara"})
        assert (await handle.result())["by"] == "Barbara"
        assert written_to(env) == ["manager", "manager", "director", "Ada"]


async def test_nobody_answers():
    async with environment(clock="auto") as env:
        began = env.now
        result = await env.run(approve_expense, TRAIN)
        assert (env.now - began).days == 6
    assert result == {"approved": False, "by": "the clock", "paid": None}


async def test_an_answer_that_makes_no_sense_counts_as_none():
    async with environment() as env:
        handle = await env.start(approve_expense, TRAIN)
        await handle.send_event("decision", "perhaps")
        await handle.send_event("decision", {"approved": True, "by": "Grace"})
        assert (await handle.result())["approved"]


async def test_an_answer_reaches_it_although_nobody_runs():
    async with environment() as env:
        handle = await env.start(approve_expense, TRAIN)
        await env.settle()
        await env.crash_worker()
        await handle.send_event("decision", {"approved": True, "by": "Grace"})
        await env.advance("30d")  # the answer was in time, whenever it is read
        await env.restart_worker()
        await env.settle()
        assert (await handle.result())["by"] == "Grace"
