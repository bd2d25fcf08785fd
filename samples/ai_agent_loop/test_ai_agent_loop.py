"""ai_agent_loop: allowed, refused, unanswered, over budget, misled, killed."""

from decimal import Decimal
from pathlib import Path

import ai_agent_loop as sample
import pytest
from agent_model import Clerk, Model, Reply, ToolCall
from ai_agent_loop import Budget, answer_customer

from nexus_sdk.testing import EnvironmentHandle, WorkflowEnvironment

REQUEST = "order-7 came broken"


@pytest.fixture
def bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the model's provider writes what it wants to have paid."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bill.txt"


def environment(clock: str = "manual") -> WorkflowEnvironment:
    activities = [sample.ask_model, sample.ask_person, *sample.TOOLS.values()]
    return WorkflowEnvironment(workflows=[answer_customer], activities=activities, clock=clock)


async def test_a_person_allows_the_refund(bill: Path):
    async with environment() as env:
        handle = await env.start(answer_customer, REQUEST)
        await env.advance("1h")
        await handle.send_event("allow:call-2", True)
        result = await handle.result()
    assert result["answer"] == "About order-7: 4900 cents were refunded."
    assert result["steps"] == calls_on(bill) == 3


@pytest.mark.parametrize("answer", [False, "certainly", 1])
async def test_anything_but_a_yes_is_a_no(bill: Path, answer: object):
    async with environment() as env:
        handle = await env.start(answer_customer, REQUEST)
        await handle.send_event("allow:call-2", answer)
        assert (await handle.result())["answer"] == "About order-7: a person has refused it."
        assert env.calls("refund") == []


async def test_no_answer_is_a_no(bill: Path):
    async with environment(clock="auto") as env:
        began = env.now
        assert "refused" in (await env.run(answer_customer, REQUEST))["answer"]
        assert (env.now - began).days == 1


async def test_a_tool_that_fails_tells_the_model(bill: Path):
    async with environment() as env:
        assert (await env.run(answer_customer, "where is order-8?"))["answer"] == "I do not know order-8."


@pytest.mark.parametrize(
    ("budget", "stopped"),
    [
        (Budget(steps=1), "out of steps"),
        (Budget(tokens=60), "out of tokens"),
        (Budget(dollars=Decimal("0.001")), "out of dollars"),
    ],
)
async def test_the_budget_ends_it(bill: Path, budget: Budget, stopped: str):
    async with environment(clock="auto") as env:
        result = await env.run(answer_customer, REQUEST, budget)
    assert (result["answer"], result["stopped"]) == (None, stopped)
    assert calls_on(bill) == result["steps"]


async def test_a_kill_bills_no_finished_call_again(bill: Path):
    async with environment() as env:
        handle = await env.start(answer_customer, REQUEST)
        await env.settle()
        assert calls_on(bill) == 2
        await env.crash_worker()
        await handle.send_event("allow:call-2", True)
        await env.restart_worker()
        await env.settle()
        assert (await handle.result())["steps"] == 3
    assert calls_on(bill) == 3


def calls_on(bill: Path) -> int:
    return len(bill.read_text().splitlines())


async def test_wherever_it_is_killed_it_comes_to_the_same_end(bill: Path):
    async def allow(env: WorkflowEnvironment, handle: EnvironmentHandle):
        await handle.send_event("allow:call-2", True)

    async with environment() as env:
        assert await env.crash_everywhere(answer_customer, REQUEST, script=allow) > 10


async def test_what_a_model_makes_up_does_not_fail_the_agent():
    dreams = [ToolCall("a", "fly", {}), ToolCall("b", "take_note", {"colour": "green"})]
    async with environment() as env:
        env.mock(
            sample.ask_model,
            sequence=[Reply("I know.", dreams, 1, Decimal(0)), Reply("I see.", [], 1, Decimal(0))],
        )
        assert (await env.run(answer_customer, REQUEST))["answer"] == "I see."
        conversation, _ = env.calls(sample.ask_model)[-1]
    fly, note = [message.text for message in conversation if message.role == "tool"]
    assert fly == "failed: there is no tool fly"
    assert "missing a required argument" in note


def test_the_stand_in_is_a_model():
    model: Model = Clerk()
    assert isinstance(model, Clerk)
