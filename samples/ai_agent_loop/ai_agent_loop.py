"""An agent: a model says what to do, tools do it, a person allows what is dangerous, a budget ends it.

$ nexus run ai_agent_loop:answer_customer --id case-1 --input '{"request": "order-7 came broken"}'

The loop is an ordinary workflow. So a process that dies pays for no finished call again, and a person may take a day.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent_model import Clerk, Message, Model, Reply, ToolCall
from agent_tools import look_up_order, refund, take_note

from nexus_sdk import (
    Activity,
    ActivityFailed,
    Context,
    PayloadError,
    Retry,
    WaitTimedOut,
    activity,
    activity_info,
    workflow,
)

MODEL: Model = Clerk()
TOOLS: dict[str, Activity[..., str]] = {tool.name: tool for tool in (look_up_order, take_note, refund)}
NEEDS_A_PERSON = {"refund"}


@activity(timeout="2m", retry=Retry(max_attempts=5, initial="2s"))
def ask_model(conversation: list[Message], tools: list[str]) -> Reply:
    """One call of the model. What it said is recorded: at a replay it is read, not asked for again."""
    reply = MODEL.reply(conversation, tools, activity_info().idempotency_key)
    print("model:", reply.text)
    return reply


@activity
def ask_person(call: ToolCall) -> None:
    """Tell a person what the model wants to do, and how to allow it."""
    print(f"May I {call.tool} {call.arguments}?  nexus event {activity_info().instance_id} allow:{call.id} true")


# --- the loop ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """Where it ends, whatever the model wants."""

    steps: int = 10
    tokens: int = 20_000
    dollars: Decimal = Decimal("0.50")


@dataclass
class Spent:
    """What it has used so far."""

    steps: int = 0
    tokens: int = 0
    dollars: Decimal = Decimal(0)

    def beyond(self, budget: Budget) -> str:
        """What is used up, if anything."""
        return next((name for name, limit in vars(budget).items() if getattr(self, name) >= limit), "")


NORMAL = Budget()


@workflow
async def answer_customer(ctx: Context, request: str, budget: Budget = NORMAL, patience: str = "1d") -> dict[str, Any]:
    """Let the model work on a request until it has finished, or the budget has.

    The conversation is an argument of each call, so it is recorded each time; `budget.steps` keeps that small.
    """
    conversation, spent = [Message("user", request)], Spent()
    while not (exhausted := spent.beyond(budget)):
        reply = await ask_model(conversation, sorted(TOOLS))
        spent = Spent(spent.steps + 1, spent.tokens + reply.tokens, spent.dollars + reply.dollars)
        ctx.set_status({"steps": spent.steps, "tokens": spent.tokens, "says": reply.text})
        conversation.append(Message("model", reply.text, reply.calls))
        if not reply.calls:
            return {"answer": reply.text, **vars(spent)}
        # Several calls at once run at once; while one waits for a person the others go on.
        conversation += await ctx.gather(*(use_tool(ctx, call, patience) for call in reply.calls))
    return {"answer": None, "stopped": f"out of {exhausted}", **vars(spent)}


async def use_tool(ctx: Context, call: ToolCall, patience: str) -> Message:
    """What the tool answers. Whatever goes wrong is an answer too: the model may know what to do about it."""
    if call.tool not in TOOLS:
        answer = f"failed: there is no tool {call.tool}"
    elif call.tool in NEEDS_A_PERSON and not await is_allowed(ctx, call, patience):
        answer = "a person has refused it"
    else:
        try:
            answer = await TOOLS[call.tool](**call.arguments)
        except ActivityFailed as failure:
            answer = f"failed: {failure.message}"
        except TypeError as error:  # the model has made the arguments up
            answer = f"failed: {error}"
    return Message("tool", answer, call_id=call.id)


async def is_allowed(ctx: Context, call: ToolCall, patience: str) -> bool:
    """The gate. Only a clear yes opens it: no answer, or one that makes no sense, is a no."""
    await ask_person(call)
    try:
        allowed: bool = await ctx.wait_for_event(f"allow:{call.id}", bool, timeout=patience)
    except (WaitTimedOut, PayloadError):
        return False
    return allowed
