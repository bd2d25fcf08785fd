"""What stands behind the bell: a look, once in a while, for what nobody rang for."""

from __future__ import annotations

from collections.abc import Callable

from nexus_sdk.codec import wire
from nexus_sdk.core.status import Status
from nexus_sdk.engine.instance import Surroundings
from nexus_sdk.engine.stuck import STUCK_SECONDS, StuckWatch
from nexus_sdk.errors import InstanceNotFound, WorkflowSpinningError
from nexus_sdk.store.port import InstanceRecord, Query, Store

SWEPT_MAX = 1_000
"""So many instances are looked at by one sweep; the next sweep looks at the next ones."""

BLOCKED_PAGE = 100
"""So many blocked instances are looked at by one sweep; the next sweep looks at the next ones."""


class Sweep:
    """Finds lost bells, peers that died, blocked instances of other builds, and those that stand still.

    Args:
        retry: tries a blocked instance again.
    """

    def __init__(self, store: Store, surroundings: Surroundings, retry: Callable[[str], None]) -> None:
        self._store = store
        self._surroundings = surroundings
        self._retry = retry
        self._stuck = StuckWatch()
        self._is_first_round = True
        self._cursor: str | None = None
        self._seen: set[tuple[str, int]] = set()
        self._probes: dict[tuple[str, str], tuple[str, int]] = {}
        self._mended: set[tuple[str, str]] = set()
        """Workflows, in a version, that spun under another build and do so no more."""
        self.tried: set[tuple[str, int]] = set()
        """The blocked instances that were tried again, at which batch; of those that are still blocked there."""

    async def look(self) -> int:
        """Look once. How many instances had waited to be looked at, as far as this look went."""
        now_us = self._surroundings.environment.clock.now_us()
        late = await self._store.due(before_us=now_us, limit=SWEPT_MAX)
        for instance_id in self._stuck.look(late, now_us):
            await self._name(instance_id)
        await self._retry_blocked()
        return len(late)

    async def _name(self, instance_id: str) -> None:
        try:
            record = await self._store.find(instance_id)
        except InstanceNotFound:
            return  # purged meanwhile
        served = self._surroundings.registry.workflow(record.workflow, record.version)
        workflow = f"Workflow {record.workflow!r} version {record.version!r}"
        self._surroundings.environment.say(
            "warning",
            f"{instance_id} could go on, and has not moved for {STUCK_SECONDS:g} s. {workflow} is "
            f"{'served' if served is not None else 'not served'} here. Are all workers alive, and not overloaded? "
            f"Look: nexus show {instance_id}, nexus doctor.",
            {
                "worker": self._surroundings.worker_id,
                "instance_id": instance_id,
                "status": record.status.value,
                "last_batch": record.last_batch,
            },
        )

    async def _retry_blocked(self) -> None:
        """Try blocked instances again, a page at a time: in the first round all, then those another build blocked."""
        query = Query(statuses=frozenset({Status.BLOCKED}))
        page = await self._store.list(query, limit=BLOCKED_PAGE, cursor=self._cursor)
        for record in page.records:
            key = (record.id, record.last_batch)
            self._seen.add(key)
            if key in self.tried or not self._may_try(record):
                continue
            self.tried.add(key)
            if self._surroundings.registry.workflow(record.workflow, record.version) is not None:
                self._retry(record.id)
        self._cursor = page.cursor
        if page.cursor is None:
            self._is_first_round = False
            self.tried &= self._seen
            self._mended |= {kind for kind, probe in self._probes.items() if probe not in self._seen}
            self._seen.clear()

    def _may_try(self, record: InstanceRecord) -> bool:
        is_another_build = record.build != self._surroundings.build
        if record.failure is None or wire.decode_failure(record.failure).code != WorkflowSpinningError.code:
            return self._is_first_round or is_another_build
        # While one that spins is tried, this worker does nothing else: one of each kind shows what the others would do.
        kind = (record.workflow, record.version)
        if is_another_build and kind not in self._mended and kind not in self._probes:
            self._probes[kind] = (record.id, record.last_batch)
            return True
        return is_another_build and kind in self._mended
