"""Taking messages off the queues, leasing what they refer to in the table, and settling it.

The one rule: whoever is delivered a message looks into the table first; what it says there, holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from nexus_sdk.store.item import instance_of, until_us
from nexus_sdk.store.port import Delivery, Lease
from nexus_sdk.store.split.looks import check_settle, task_ids
from nexus_sdk.store.split.ports import Slot
from nexus_sdk.store.split.rings import Ring
from nexus_sdk.store.split.steps import SplitSteps

FRUITLESS_MAX = 20
"""So often in a row a request takes messages that are to be done by nobody now; then it ends, for its time is old."""


class SplitLeases(SplitSteps):
    """Deliveries of a split store."""

    # --- settling ---------------------------------------------------------------------------------------------------

    async def _check_others(self, *own: str, settles: Iterable[Delivery]) -> None:
        """Raise `ConflictError` when a delivery of other items than these was lost."""
        for delivery in settles:
            if instance_of(delivery) not in own:
                check = partial(check_settle, delivery=delivery)
                await self._table.change(instance_of(delivery), check, tasks=task_ids(delivery))

    async def _settle_others(self, *written: str, deliveries: Iterable[Delivery]) -> None:
        """Settle what belongs to other items than those written already, and acknowledge all, last of all."""
        settled = list(deliveries)
        for delivery in settled:
            if instance_of(delivery) not in written:

                def settle(slot: Slot, delivery: Delivery = delivery) -> int | None:
                    item = slot.item
                    if item is not None and not item.is_lost(delivery):
                        item.settle(delivery)
                    return item.due_us() if item is not None else None

                due_us = await self._change("settle:write", instance_of(delivery), settle, tasks=task_ids(delivery))
                await self._ring(instance_of(delivery), due_us, 0)
        await self._ack_messages(*settled)

    async def _ack_messages(self, *deliveries: Delivery) -> None:
        found = (self._receipts.pop(delivery.token, None) for delivery in deliveries)
        if rings := [ring for ring in found if ring is not None]:
            async with self._step("ack:remove"):
                await self._queues.remove(rings)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def _take(self, queue: str, limit: int, lease: Lease, now_us: int) -> tuple[Sequence[Delivery], bool]:
        """What there is to do on a queue, and whether somebody should ask for more at once."""
        until, found, fruitless = until_us(lease, now_us), list[Delivery](), 0
        while len(found) < limit:
            if fruitless == FRUITLESS_MAX:
                return found, True
            async with self._step("receive:take"):
                left = limit - len(found)
                rings = await self._queues.take(queue, limit=left, now_us=now_us, until_us=until, holder=lease.holder)
            if not rings:
                break
            leased = [delivery for delivery in await self._lease_all(rings, lease, now_us) if delivery is not None]
            fruitless = 0 if leased else fruitless + 1
            found += leased
        return found, False

    async def _lease_all(self, rings: Sequence[Ring], lease: Lease, now_us: int) -> Sequence[Delivery | None]:
        """Lease what came together at the same time: each is a row of its own, and those of one instance are read
        together.
        """
        if len(rings) == 1:
            return [await self._lease(rings[0], lease, now_us)]
        import asyncio

        tasks: dict[str, list[str]] = {}
        for ring in rings:
            if ring.task_id:
                tasks.setdefault(ring.instance_id, []).append(ring.task_id)
        several = [(instance_id, ids) for instance_id, ids in tasks.items() if len(ids) > 1]
        await asyncio.gather(*(self._table.foresee(instance_id, ids) for instance_id, ids in several))
        return await asyncio.gather(*(self._lease(ring, lease, now_us) for ring in rings))

    async def _lease(self, ring: Ring, lease: Lease, now_us: int) -> Delivery | None:
        """Lease what a message refers to, if it is still to be done and nobody else's; else put the message away."""
        until, token = until_us(lease, now_us), next(self._tokens(lease))

        def take(slot: Slot) -> Delivery | int | None:
            return slot.item.lease(ring, token, until, now_us) if slot.item is not None else None

        found: Delivery | int | None
        if ring.task_id:
            # It concerns one task, and is not the place to make what its instance has left to be sent: of a large
            # fan-out, whoever takes the first tasks would send the others, all at the same time.
            found = await self._change("receive:lease", ring.instance_id, take, tasks=[ring.task_id], is_of_task=True)
        elif ring.instance_id in self._making:
            found = now_us + self._grace_us
        else:
            found = await self._change_healed("receive:lease", ring.instance_id, take)
        if found is None:
            await self._queues.remove([ring])
            return None
        if isinstance(found, int):
            await self._queues.hide(ring, until_us=found, now_us=now_us, is_taken=False)
            return None
        self._receipts[token] = ring
        return found

    async def _hide(self, delivery: Delivery, until: int, now_us: int, *, is_taken: bool = True) -> None:
        ring = self._receipts.get(delivery.token)
        if ring is not None:
            await self._queues.hide(ring, until_us=until, now_us=now_us, is_taken=is_taken)
