"""What a worker is asked to run: the body of a task."""

from __future__ import annotations

from dataclasses import dataclass

from nexus_sdk.core.failure import Failure
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.payload import Payload


@quick
@dataclass(frozen=True, slots=True)
class ActivityRequest:
    """An activity to run.

    Attributes:
        instance_id, run_id, path: the operation that asked for it; together the idempotency key's source.
        workflow, version: of the asking instance, so that its worker can tell whether it may run the next turn.
        name, arguments, options: as in `ActivityScheduled`.
        scheduled_at_us: the stamp of the turn that scheduled it; `schedule_to_close_us` counts from here.
        first_started_us: when the first attempt started, once one did.
        failures: of the attempts so far, oldest first; of many the first one and the latest ones.
        left_out: how many others there were: by the rule of the retry policy that each fell under, in the order of the
            rules, and at the end those under none. Empty: there were no others.
    """

    instance_id: str
    run_id: str
    path: str
    workflow: str
    version: str
    name: str
    arguments: Payload
    options: ActivityOptions
    scheduled_at_us: int
    first_started_us: int | None = None
    failures: tuple[Failure, ...] = ()
    left_out: tuple[int, ...] = ()

    @property
    def tries(self) -> int:
        """How many attempts have failed so far."""
        return len(self.failures) + sum(self.left_out)


def task_id(run_id: str, path: str) -> str:
    """The id of the one task of an operation."""
    return f"{run_id}:{path}"
