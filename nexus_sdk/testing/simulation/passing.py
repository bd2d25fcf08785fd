"""How time passes in a simulated world: when nobody has anything to do, it is moved to what falls due next; and once
nobody has got anything done for a while, past the sweeps to what is truly due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from nexus_sdk.engine.courtesy import LATEST_SECONDS
from nexus_sdk.store.split.item import SplitItem
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.simulation.loop import SimulatedLoop
from nexus_sdk.testing.simulation.plan import Plan
from nexus_sdk.testing.simulation.process import Outside
from nexus_sdk.testing.simulation.stores import MemoryStores

SWEEP_SECONDS = 2.0
"""How often workers look although nobody rang."""

IDLE_MAX = 60_000
"""So often time moves in one run, before it is told that it never comes to rest."""

VAIN_MAX = 3_000
"""So often time moves, and nothing comes of it, before it moves on to what the world itself has planned: until other
code is deployed, say, what nobody serves is looked at in vain."""

GRACE_US = 5_000_000
"""How long a split store waits for whoever has to answer, before its sweep does."""

LOOK_US_MAX = 864_000_000_000
"""A look that comes ten days later than it is wanted is none: the world does not wait for it. Wrong clocks date ahead
by hours."""

COURTESY_US = round(2 * LATEST_SECONDS * 1_000_000)


class NeverAtRest(AssertionError):
    """Time was moved again and again, and there was always more to do."""


class Time:
    """See the module.

    Attributes:
        ignored: instances (id and request) of which nothing falls due: what is damaged may never be done.
    """

    def __init__(self, plan: Plan, true: FakeClock, loop: SimulatedLoop, outside: Outside, store: MemoryStores) -> None:
        self.ignored: set[tuple[str, str]] = set()
        self._true = true
        self._loop = loop
        self._outside = outside
        self._store = store
        self._rest: asyncio.Future[None] | None = None
        self._own_us: list[int] = []
        self._moved_us = true.now_us()
        self._idle_count = 0
        self._idle_at_change = 0
        skew_us = round(2_000_000 * plan.rates.skew)
        self._patience_us = round((plan.lease_seconds + 5 + 10 + 4 * SWEEP_SECONDS) * 1_000_000) + skew_us

    def note_effect(self) -> None:
        """Something was done."""
        self._moved_us = self._true.now_us()

    def note_change(self) -> None:
        """Something has changed in the store."""
        self._moved_us = max(self._moved_us, self._true.now_us())
        self._idle_at_change = self._idle_count

    async def sleep(self, seconds: float) -> None:
        """Something that the world itself waits for: always truly due."""
        await self.sleep_until(self._true.now_us() + round(seconds * 1_000_000))

    async def sleep_until(self, when_us: int) -> None:
        """The same, until a time."""
        if when_us <= self._true.now_us():
            return
        done = self._loop.create_future()
        self._own_us.append(when_us)
        call = self._true.call_at(when_us, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            self._own_us.remove(when_us)
            call.cancel()
        self._moved_us = self._true.now_us()

    async def until_rest(self) -> None:
        """Until nothing is left to be done, by anybody, at any time."""
        self._moved_us = self._true.now_us()
        self._rest = self._loop.create_future()
        await self._rest
        self._rest = None

    def pass_on(self) -> None:
        """Nobody has anything to do: let time pass.

        Raises:
            NeverAtRest: that was so too often.
        """
        self._idle_count += 1
        if self._idle_count > IDLE_MAX:
            raise NeverAtRest(f"law 7: time was moved {IDLE_MAX:,} times, and there is always more to do")
        soonest_us, now_us = self._true.next_call_us(), self._true.now_us()
        if soonest_us is not None and soonest_us - self._moved_us <= self._patience_us:
            self._true.jump_to(soonest_us)
            return
        is_vain = self._idle_count - self._idle_at_change > VAIN_MAX and self._own_us
        due_us = min(self._own_us if is_vain else self._times_due(now_us), default=None)
        if due_us is not None:
            self._moved_us = due_us
            self._true.jump_to(due_us)
        elif self._rest is not None and not self._rest.done():
            self._rest.set_result(None)
        elif soonest_us is not None:
            self._true.jump_to(soonest_us)
        else:
            raise NeverAtRest("law 7: nobody does anything, and nobody waits for time")

    def _times_due(self, now_us: int) -> Iterator[int]:
        """When something truly falls due."""
        yield from self._own_us
        for item in cast("Any", self._store)._items.values():
            record = item.record
            if (record.id, record.request_id) in self.ignored:
                continue
            if not record.status.is_finished and not record.status.is_held:
                if record.wake_at_us is not None and record.wake_at_us > now_us:
                    yield record.wake_at_us
            # What no worker serves comes round again and again; when it is calm, every workflow is served.
            is_lasting = item.turn.token is not None or self._outside.is_calm
            least_us = now_us if is_lasting else now_us + COURTESY_US
            if item.turn.until_us is not None and item.turn.until_us > least_us:
                yield item.turn.until_us
            dated = [state.due_us() for state in item.tasks.values()]
            if isinstance(item, SplitItem):
                looks = [(item.task_look_at_us(state, GRACE_US), state.due_us()) for state in item.tasks.values()]
                dated += [look_us for look_us, wanted_us in looks if look_us - wanted_us <= LOOK_US_MAX]
            # What a clock that was wrong has dated ahead is looked at by the sweep only then.
            dated += [entry.now_us for entry in getattr(item, "outbox", ())]
            dated += [message.accepted_at_us for message in item.inbox.values() if item.due_us() is not None]
            yield from (when_us for when_us in dated if when_us > now_us)
