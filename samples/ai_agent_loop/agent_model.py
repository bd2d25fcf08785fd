"""What the agent knows of a language model: a narrow interface, and a stand-in behind it that needs no network.

To use a real one, write a class with a method `reply` that calls it, and put it in `ai_agent_loop.MODEL`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol


@dataclass
class ToolCall:
    """What the model wants to have done. `id`: by it the answer finds its question."""

    id: str
    tool: str
    arguments: dict[str, Any]


@dataclass
class Message:
    """One turn of the conversation. `role`: ``user``, ``model``, or ``tool`` for the answer to the call `call_id`."""

    role: str
    text: str
    calls: list[ToolCall] = field(default_factory=list)
    call_id: str = ""


@dataclass
class Reply:
    """What the model says, what it wants to have done (nothing: it has finished), and what saying it cost."""

    text: str
    calls: list[ToolCall]
    tokens: int
    dollars: Decimal


class Model(Protocol):
    """A language model."""

    def reply(self, conversation: Sequence[Message], tools: Sequence[str], key: str) -> Reply:
        """The next turn. `key` is the same when a call is repeated after a crash: providers that know it bill once."""


class Clerk:
    """A model that knows one trade: orders that came broken. The same conversation always gets the same reply."""

    def reply(self, conversation: Sequence[Message], tools: Sequence[str], key: str) -> Reply:
        """See `Model.reply`."""
        with open("bill.txt", "a", encoding="utf-8") as bill:  # every line is money
            print(key, file=bill)
        order_id = (re.findall(r"order-\d+", conversation[0].text) or ["order-0"])[0]
        answers = {message.call_id: message.text for message in conversation if message.role == "tool"}
        if "call-1" not in answers:
            text, calls = "Let me see.", [ToolCall("call-1", "look_up_order", {"order_id": order_id})]
        elif "failed" in answers["call-1"]:
            text, calls = f"I do not know {order_id}.", []
        elif "call-2" not in answers:
            refund = ToolCall("call-2", "refund", {"order_id": order_id, "cents": 4_900})
            note = ToolCall("call-3", "take_note", {"order_id": order_id, "text": conversation[0].text})
            text, calls = "It should be refunded.", [refund, note]
        else:
            text, calls = f"About {order_id}: {answers['call-2']}.", []
        tokens = sum(len(message.text.split()) for message in conversation) + 50
        return Reply(text, calls, tokens, Decimal(tokens) * Decimal("0.00002"))
