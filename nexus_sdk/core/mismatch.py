"""Code and history disagree: what each says, where, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus_sdk.core import events as e
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import NonDeterminismError

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Identity

_HINT = (
    'The workflow changed while this instance was running. Guard the change with ctx.patched("…"), deploy the old code '
    "again, or let old instances finish first. If the code did not change, it does something that differs from run to "
    "run (clock, random, environment, iteration over a set): use ctx.now(), ctx.random, ctx.side_effect or an activity."
)

_NOUNS: dict[type[e.Event], str] = {
    e.TimerStarted: "a timer",
    e.SideEffectRecorded: "a side effect",
    e.TimerCancelled: "the end of a timer",
    e.EventWaitCancelled: "the end of a wait",
    e.ActivityCancelRequested: "the cancellation of an activity",
    e.ChildCancelRequested: "the cancellation of a child workflow",
    e.WorkflowCompleted: "the end of the workflow",
    e.WorkflowFailed: "the failure of the workflow",
    e.WorkflowCancelled: "the cancellation of the workflow",
    e.ContinuedAsNew: "continue_as_new",
}


class Mismatch:
    """One disagreement: the recorded event that was expected, and what the code asks for instead (None: nothing).

    Args:
        given: where both ask for the same: what they give it otherwise (see `differing`).
    """

    def __init__(
        self, identity: Identity, *, recorded: e.Event | None, asked: e.Event | None, given: str = ""
    ) -> None:
        self._identity = identity
        self._recorded = recorded
        self._asked = asked
        self._given = given

    def error(self) -> NonDeterminismError:
        """The error that tells it."""
        path = getattr(self._asked, "path", "") or getattr(self._recorded, "path", "")
        where = f"{self._identity.instance_id}, {f'operation {path}' if path else 'at the end of the workflow'}"
        site = getattr(self._asked, "site", "") or getattr(self._recorded, "site", "")
        return NonDeterminismError(
            f"{where}{f' ({site})' if site else ''}: {self._says()}.",
            hint=_HINT,
        )

    def _says(self) -> str:
        recorded, asked = self._recorded, self._asked
        if self._given:
            return f"the code now asks for {describe(asked)} with another {self._given} than history has"
        if recorded is None or (recorded.is_input and asked is not None):
            return f"history has nothing here, the code now asks for {describe(asked)}"
        old = getattr(recorded, "site", "")
        was = f" (recorded at {old})" if old and old != getattr(asked, "site", old) else ""
        if asked is None and recorded.is_input:
            return f"history has the outcome of {describe(recorded)}, which the code did not ask for"
        now = f"asks for {describe(asked)}" if asked is not None else "asks for nothing more"
        return f"history has {describe(recorded)}{was}, the code now {now}"


_GIVEN = {
    "arguments": "set of arguments",
    "payload": "payload",
    "result": "result",
    "due_us": "deadline",
    "target": "target",
    "instance_id": "instance id",
    "version": "version",
}
"""What an operation is given, and a strict replay compares, by the event's field. Fields of one name mean one thing."""


def differing(recorded: e.Event | None, asked: e.Event) -> str:
    """What two events of one kind were given otherwise, in words; empty if nothing. Payloads by their digests."""
    for field, words in _GIVEN.items():
        before, now = getattr(recorded, field, None), getattr(asked, field, None)
        if isinstance(before, Payload) and isinstance(now, Payload):
            before, now = before.digest, now.digest
        if before != now:
            return words
    return ""


def describe(event: e.Event | None) -> str:
    """What an event is, in a few words: ``activity 'charge'``."""
    match event:
        case None:
            return "nothing"
        case e.ActivityScheduled(name=name):
            return f"activity {name!r}"
        case e.EventAwaited(name=name):
            return f"a wait for event {name!r}"
        case e.EventSent(name=name, target=target):
            return f"event {name!r} to {target!r}"
        case e.ChildScheduled(workflow=workflow):
            return f"child workflow {workflow!r}"
        case e.TimerStarted(purpose="timeout"):
            return "a timeout block"
        case _:
            return _NOUNS.get(type(event), type(event).__name__)
