"""An instance as a worker holds it: its record, the fold of its history, and its live execution."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.codec.wire import StoredHistory
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.frozen import changed
from nexus_sdk.core.history import Batch, BatchHeader
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.projection import Projection
from nexus_sdk.engine.apart import whole_batches
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.limits import DEFAULT_LIMITS, HistoryLimits
from nexus_sdk.store.port import InstanceRecord, Loaded, Store, StoredBatch


class _Folding:
    """A history that is folded while it is read: when it has been read, `projection` is there."""

    def __init__(self, history: Iterable[Batch]) -> None:
        self._history = history
        self.projection: Projection | None = None

    def __iter__(self) -> Iterator[Batch]:
        projection = Projection()
        for batch in self._history:
            projection.extend(batch.events)
            yield batch
        self.projection = projection

    def fold(self) -> Projection:
        """The fold, for who needs nothing else."""
        deque(self, maxlen=0)
        assert self.projection is not None
        return self.projection


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a turn needs besides the instance."""

    registry: Registry
    codec: Codec
    environment: Environment
    worker_id: str
    build: str
    limits: HistoryLimits = DEFAULT_LIMITS

    def services(self, instance_id: str) -> Services:
        """What the core is given for a turn of this instance."""
        codec = self.codec.bound_to(instance_id)
        return Services(codec, partial(failure_from, codec=codec), self.environment.randomness.token)


class Instance:
    """An instance and, once `execute` has been called, its live execution.

    It is `warm` as long as the store has nothing newer: the conditional commit tells. The history is read when the
    first is asked for what is in it, once for the execution and the projection.

    Args:
        history: may be iterated over several times, and raise then what makes it unreadable.
    """

    def __init__(self, record: InstanceRecord, history: Iterable[Batch]) -> None:
        self.record = record
        self.execution: Execution | None = None
        self.length = 0, 0  # events and bytes of the history that the execution has run over
        self._history = _Folding(history)
        self._projection: Projection | None = None

    @property
    def projection(self) -> Projection:
        """The fold of its history.

        Raises:
            HistoryCorruptedError: the history cannot be read.
        """
        if self._projection is None:
            self._projection = self._history.fold()
        return self._projection

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
            self.length = execution.ledger.length
            self._projection = self._projection or self._history.projection
            self._history = _Folding(())
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

    Its history is decoded and checked when it is read, and not before.

    Raises:
        HistoryCorruptedError: payloads that lie apart are not what was written.
    """
    record = loaded.record
    stored = await whole_batches(store, record.id, loaded.batches, every=False)
    data = [batch.data for batch in stored]
    return Instance(record, StoredHistory(record.id, data, last_number=record.last_batch, last_hash=record.last_hash))


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
    return StoredBatch(record.run_id, number, turn_id, data), changed(record, last_batch=number, last_hash=digest)
