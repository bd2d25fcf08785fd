"""A run that is only counted: the app's own workflows, stand-ins for its activities, and time that a fake clock makes.

What takes time (an activity, a request to a service) waits on that clock, so how long an invocation lasts comes out of
what it really does, one thing after another or several at a time. The one rule: nothing here touches the world.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar, cast

from nexus_sdk.app import Nexus
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.info import current_attempt
from nexus_sdk.authoring.workflow import BoundCall
from nexus_sdk.core.operations.child import ChildOperation
from nexus_sdk.costing.answers import Answers, Arrival
from nexus_sdk.engine.attempt import RunningAttempt
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.waiting import sleep
from nexus_sdk.replay.player import watchdog
from nexus_sdk.store.port import Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.quiet import ThreadWatch

T = TypeVar("T")

STALL_SECONDS = 0.02
"""Real seconds between two looks whether what is real has happened."""

SPIN_SECONDS = 10.0
"""Real seconds after which a workflow that does not yield is stopped."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is run.

    Attributes:
        app: its definitions and codec; its store is never opened.
        call: the workflow with its arguments.
        answers: what the activities answer.
        arrivals: the events that come from outside, in order.
        instance_id: the id that the run gets.
        runs_activities: whether the activities themselves are run; their answers are used otherwise.
    """

    app: Nexus
    call: BoundCall[Any] | ChildOperation[Any]
    answers: Answers
    arrivals: tuple[Arrival, ...] = ()
    instance_id: str = "estimate"
    runs_activities: bool = False


class Chance:
    """Chance that is the same in every estimate."""

    def __init__(self) -> None:
        self._random = Random(0)

    def token(self) -> str:
        """See `Randomness.token`."""
        return f"{self._random.getrandbits(128):032x}"

    def fraction(self) -> float:
        """See `Randomness.fraction`: the middle."""
        return 0.5

    def bits(self, number: int) -> int:
        """So many random bits."""
        return self._random.getrandbits(number)


class Rehearsal:
    """The surroundings of a run that is counted.

    Args:
        case: what is run.
        activity_seconds: how long an activity takes, where nothing is recorded.

    Attributes:
        worked_us: how long at least one activity was at work.
        stalls: how often something was waited for that this clock does not govern; such time is not counted.
    """

    def __init__(self, case: Case, *, activity_seconds: float) -> None:
        self.clock = FakeClock()
        self.chance = Chance()
        self.worked_us = 0
        self.stalls = 0
        self._case = case
        self._seconds = activity_seconds
        self._threads = ThreadWatch()
        self._at_work = 0
        self._since_us = 0
        self.environment = Environment(
            self.clock, self._threads.executor, self.chance, watchdog(SPIN_SECONDS), _say_nothing
        )

    def __enter__(self) -> Rehearsal:
        self._threads.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.__exit__()

    def app_on(self, store: Store) -> Nexus:
        """The app on another store, with stand-ins for its activities."""
        app = self._case.app
        return Nexus(
            store,
            workflows=app.registry.workflows.values(),
            activities=[self._stand_in(activity) for activity in app.registry.activities.values()],
            codec=app.codec,
            environment=self.environment,
            history_limits=app.history_limits,
        )

    async def timed(self, work: Awaitable[T]) -> tuple[T, int]:
        """What comes of it, and how long it took on the clock, in microseconds; time passes as it must."""
        began_us = self.clock.now_us()
        doing = asyncio.ensure_future(work)
        while not doing.done():
            await self._threads.everybody_waits()
            if doing.done():
                break
            due_us, next_us = self.clock.next_due_us(), self.clock.next_call_us()
            if due_us is None or next_us is None:  # it waits for something real: in doubt, for others
                self.stalls += 1
                await asyncio.wait({doing}, timeout=STALL_SECONDS)
            else:
                self.clock.jump_to(next_us)  # what happens beside, such as the prolonging of leases, at its own time
        return doing.result(), self.clock.now_us() - began_us

    # --- activities ---------------------------------------------------------------------------------------------------

    def _stand_in(self, real: Activity[Any, Any]) -> Activity[Any, Any]:
        async def stand_in(*args: Any, **kwargs: Any) -> Any:
            attempt = cast("RunningAttempt", current_attempt.get())
            answer = self._case.answers.of(real, attempt.request)
            self._begin()
            try:
                await sleep(self.clock, self._seconds if answer.seconds is None else answer.seconds)
            finally:
                self._end()
            if answer.error is not None:
                raise answer.error
            return answer.value

        async def itself(*args: Any, **kwargs: Any) -> Any:
            self._begin()
            try:
                await sleep(self.clock, self._seconds)
            finally:
                self._end()
            result = real.fn(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        fn = itself if self._case.runs_activities else stand_in
        return Activity(fn, real.name, real.activity_options, real.compensate, real.signature)

    def _begin(self) -> None:
        if self._at_work == 0:
            self._since_us = self.clock.now_us()
        self._at_work += 1

    def _end(self) -> None:
        self._at_work -= 1
        if self._at_work == 0:
            self.worked_us += self.clock.now_us() - self._since_us


def _say_nothing(level: str, event: str, fields: dict[str, Any]) -> None:
    """Logs are not part of an estimate."""
