"""A process that dies between any two of its store calls, and another that takes over.

The script is what an engine does: receive, commit, run the task, commit its result, with a child in between. It is
stopped after its k-th call, for every k; then a second worker, with time having passed, brings it to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError, InstanceFinished
from nexus_sdk.store.port import (
    TURNS,
    Claim,
    Committed,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Lease,
    Loaded,
    Send,
    Store,
    TaskDelivery,
)
from nexus_sdk.testing.provider_suite.builders import SECOND, at, message, new, task, turn

CALLS_MAX = 200
"""More calls than the script ever makes."""


End = list[tuple[str, Status, int, list[InboxMessage]]]
"""Of each instance: id, status, number of batches, pending messages."""


class Crash(BaseException):
    """The process ends here."""


class Worker:
    """A small engine over the port: an order runs task 0, then a child, then ends; the child runs one task.

    It counts its store calls, and dies after `calls_left` of them; or the reply of that call is lost, and it makes
    the call once more.
    """

    def __init__(self, store: Store, name: str, now_us: int, calls_left: int, *, loses_replies: bool = False) -> None:
        self._store = store
        self._lease = Lease(name, 30)
        self._loses_replies = loses_replies
        self.now_us = now_us
        self.calls_left = calls_left

    async def run(self) -> None:
        """Work until nothing is left to do."""
        await self._call("create", new("order"), now_us=self.now_us)
        while True:
            await self._call("due", before_us=self.now_us, limit=100)
            received = await self._call("receive", [TURNS, "work"], limit=10, lease=self._lease, now_us=self.now_us)
            if not received.deliveries:
                return
            for delivery in received.deliveries:
                await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        try:
            if isinstance(delivery, TaskDelivery):
                done = message(delivery.task.instance_id, f"done-{delivery.task.id}", is_remembered=True)
                await self._call("send", [done], settles=[delivery], now_us=self.now_us)
            else:
                await self._turn(delivery)
        except (ConflictError, InstanceFinished):
            return  # another worker was faster

    async def _turn(self, delivery: Delivery) -> None:
        loaded: Loaded = await self._call("load", getattr(delivery, "instance_id", ""))
        sends, changes = self._decide(loaded.record, {found.id for found in loaded.messages})
        commit = turn(
            loaded.record,
            *sends,
            consumed=[found.number for found in loaded.messages],
            settles=[delivery],
            claim=Claim(frozenset({"work"}), 1, self._lease),
            **changes,
        )
        committed: Committed = await self._call("commit", commit, now_us=self.now_us)
        for claimed in committed.deliveries:
            await self._handle(claimed)

    def _decide(self, record: InstanceRecord, found: set[str]) -> tuple[list[Send], dict[str, Any]]:
        """The workflow: its progress is the number of its batches."""
        if "nexus:start" in found:
            return [task(record.id)], {}
        if record.id == "child":
            ended = message("order", "child-done", is_remembered=True)
            return [ended], {"status": Status.COMPLETED}
        if "child-done" in found:
            return [], {"status": Status.COMPLETED}
        if "done-run-1/0" in found:
            return [new("child", if_refused=message("order", "child-refused"))], {}
        return [], {}

    async def _call(self, verb: str, *arguments: Any, **options: Any) -> Any:
        if self.calls_left == 0 and not self._loses_replies:
            raise Crash
        self.calls_left -= 1
        assert self.calls_left > -CALLS_MAX, "the script never ends"
        if self.calls_left == 0 and self._loses_replies:
            await getattr(self._store, verb)(*arguments, **options)
        return await getattr(self._store, verb)(*arguments, **options)


async def history_of(store: Store) -> End:
    """The end state, without its times."""
    loaded = [await store.load(instance_id) for instance_id in ("order", "child")]
    return [
        (each.record.id, each.record.status, len(each.batches), [replace(m, accepted_at_us=0) for m in each.messages])
        for each in loaded
    ]


END: End = [("order", Status.COMPLETED, 4, []), ("child", Status.COMPLETED, 3, [])]
"""Where the script must come to, crashed or not."""


class RecoveryLaws:
    """Whatever the last call was, another worker finishes the work, once."""

    async def test_undisturbed_the_script_comes_to_its_end(self, store: Store) -> None:
        await Worker(store, "anna", at(0), CALLS_MAX).run()
        assert await history_of(store) == END

    async def test_what_was_acknowledged_is_there_for_whoever_opens_the_store_later(
        self, store_factory: Callable[[], Store]
    ) -> None:
        """Nothing waits for `close` to be written."""
        writer = store_factory()
        await writer.put_blobs("order", {b"d" * 32: b"large"}, now_us=at(0))
        record = await writer.create(new("order"), now_us=at(0))
        await writer.send([message("order", "m")], now_us=at(0))
        commit = turn(record, task("order"), new("child"), consumed=(1,))
        await writer.commit(commit, now_us=at(0))
        heir = store_factory()
        loaded = await heir.load("order")
        assert (loaded.record, loaded.batches[1:]) == (commit.record, commit.batches)
        assert [found.id for found in loaded.messages] == ["m"]
        assert [batch.number for batch in (await heir.load("child")).batches] == [1]
        assert dict(await heir.get_blobs("order", [b"d" * 32])) == {b"d" * 32: b"large"}
        await heir.due(before_us=at(40), limit=9)
        received = await heir.receive([TURNS, "work"], limit=9, lease=Lease("heir", 30), now_us=at(40))
        assert len(received.deliveries) == 3

    async def test_after_a_crash_between_any_two_calls_another_worker_comes_to_the_same_end(
        self, fresh_store: Callable[[], Store]
    ) -> None:
        for calls in range(1, CALLS_MAX):
            store = fresh_store()
            try:
                await Worker(store, "anna", at(0), calls).run()
                has_crashed = False
            except Crash:
                has_crashed = True
            heir = Worker(store, "bert", at(0), CALLS_MAX)
            for _ in range(4):  # time passes: graces and leases run out
                heir.now_us += 40 * SECOND
                await heir.run()
            assert await history_of(store) == END, f"after {calls} calls"
            await store.close()
            if not has_crashed:
                return
        raise AssertionError("the script never ended")

    async def test_whichever_reply_is_lost_the_same_call_again_comes_to_the_same_end(
        self, fresh_store: Callable[[], Store]
    ) -> None:
        calls = 0
        is_over = False
        while not is_over:
            calls += 1
            store = fresh_store()
            worker = Worker(store, "anna", at(0), calls, loses_replies=True)
            await worker.run()
            is_over = worker.calls_left > 0
            for _ in range(4):  # what a lost reply of `receive` held runs out
                worker.now_us += 40 * SECOND
                await worker.run()
            assert await history_of(store) == END, f"the reply of call {calls} was lost"
            await store.close()
