"""What has come in for an instance and waits for its next turn in this worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from nexus_sdk.core.history import Message
from nexus_sdk.engine.birth import inbox_message, read_message
from nexus_sdk.store.port import Delivery, InboxMessage, TaskDelivery, TurnDelivery


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an activity ended here: the message for its instance, and the delivery that it settles."""

    message: Message
    delivery: TaskDelivery

    def for_inbox(self) -> InboxMessage:
        """The same for the inbox of an instance that cannot take it now."""
        task = self.delivery.task
        return inbox_message(self.message.id, task.instance_id, self.message.event, run_id=task.run_id)


@dataclass(slots=True)
class Mail:
    """Outcomes of activities, a delivery of the inbox, or the wish to try a blocked instance again."""

    outcomes: list[Outcome] = field(default_factory=list)
    delivery: TurnDelivery | None = None
    is_retry: bool = False
    loaded: tuple[InboxMessage, ...] | None = None
    """The inbox as a load showed it: newer than the delivery's messages, and there without one."""

    def __bool__(self) -> bool:
        return bool(self.outcomes) or self.delivery is not None or self.is_retry

    def without_beyond(self, settles_max: int | None) -> Mail:
        """Take out the outcomes that one commit cannot settle with the rest of this mail: the mail of a later turn."""
        kept = None if settles_max is None else max(1, settles_max - (self.delivery is not None))
        later = Mail([] if kept is None else self.outcomes[kept:])
        self.outcomes = self.outcomes[:kept]
        return later

    @property
    def inbox(self) -> tuple[InboxMessage, ...]:
        """The messages of the inbox, as far as known."""
        if self.loaded is not None:
            return self.loaded
        return self.delivery.messages if self.delivery is not None else ()

    @property
    def size(self) -> int:
        """How many messages there are."""
        return len(self.outcomes) + len(self.inbox)

    def messages(self) -> list[Message]:
        """All messages, those of the inbox first."""
        return [read_message(message) for message in self.inbox] + [outcome.message for outcome in self.outcomes]

    def deliveries(self) -> tuple[Delivery, ...]:
        """All deliveries that a commit settles."""
        settled: list[Delivery] = [outcome.delivery for outcome in self.outcomes]
        return (*settled, self.delivery) if self.delivery else tuple(settled)

    def last_number(self) -> int:
        """The number of the latest inbox message among them, 0 for none."""
        return max([message.number for message in self.inbox], default=0)
