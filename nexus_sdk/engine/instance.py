"""An instance as a worker holds it: its record, the fold of its history, and its live execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.history import Batch, BatchHeader
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.projection import Projection
from nexus_sdk.engine.apart import read_batches
from nexus_sdk.engine.environment import Environment
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import InstanceRecord, Loaded, Store, StoredBatch


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a turn needs besides the instance."""

    registry: Registry
    codec: Codec
    environment: Environment
    worker_id: str
    build: str

    def services(self, instance_id: str) -> Services:
        """What the core is given for a turn of this instance."""
        codec = self.codec.bound_to(instance_id)
        return Services(codec, partial(failure_from, codec=codec), self.environment.randomness.token)


class Instance:
    """An instance and, once `start` has been called, its live execution.

    It is `warm` as long as the store has nothing newer: the conditional commit tells.
    """

    def __init__(self, record: InstanceRecord, history: Sequence[Batch]) -> None:
        self.record = record
        self.projection = Projection()
        self.execution: Execution | None = None
        self._history: list[Batch] = list(history)
        for batch in history:
            self.projection.extend(batch.events)

    def execute(self, surroundings: Surroundings) -> Execution | None:
        """The live execution, replayed if need be; None when this worker does not serve the workflow.

        Raises:
            BlockingError: the code and the history disagree.
            PayloadError: the recorded arguments no longer fit the code.
        """
        if self.execution is None:
            record = self.record
            workflow = surroundings.registry.workflow(record.workflow, record.version)
            if workflow is None:
                return None
            parent_id = record.parent.instance_id if record.parent else None
            identity = Identity(record.id, record.run_id, record.run, record.workflow, record.version, parent_id)
            execution = Execution(workflow.program, identity, surroundings.services(record.id))
            try:
                surroundings.environment.watchdog.watch(record.id, execution.replay, self._history)
            except BaseException:
                execution.dispose()
                raise
            self.execution = execution
            self._history = []
        return self.execution

    def advanced(self, record: InstanceRecord) -> None:
        """Note that a commit has made `record` the present one."""
        self.record = record

    def dispose(self) -> None:
        """Drop the execution."""
        if self.execution is not None:
            self.execution.dispose()
            self.execution = None


async def open_instance(store: Store, loaded: Loaded) -> Instance:
    """The instance of a full load, with the payloads that lie apart and that its code will look at.

    Raises:
        HistoryCorruptedError: its history does not decode, has a gap, or its chain does not verify.
    """
    record = loaded.record
    history = await read_batches(store, record.id, loaded.batches, every=False)
    wire.verify(history)
    if not history or history[-1].hash != record.last_hash or history[-1].header.number != record.last_batch:
        raise HistoryCorruptedError(
            f"{record.id}: its record says that {record.last_batch} batches were written; the history has "
            f"{history[-1].header.number if history else 0}, or another one.",
            hint="Restore the store from a backup; nothing was changed.",
        )
    return Instance(record, history)


def append(
    record: InstanceRecord,
    events: Sequence[e.Event],
    *,
    turn_id: str,
    causes: tuple[str, ...],
    now_us: int,
    worker: str,
    build: str,
) -> tuple[StoredBatch, InstanceRecord]:
    """The next batch of the present run, and the record with its number and hash."""
    number = record.last_batch + 1
    header = BatchHeader(record.id, record.run_id, number, turn_id, causes, now_us, worker, build)
    data, digest = wire.encode_batch(header, events, record.last_hash)
    return StoredBatch(record.run_id, number, turn_id, data), replace(record, last_batch=number, last_hash=digest)
