"""The laws that hold for every instance of a store, at any moment between two commits (architecture, section 9).

What they are, for one instance: `nexus_sdk.replay.laws`. `check_laws` reads a store and raises `LawBroken` with
everything that is wrong. It changes nothing and runs no workflow code; `check_replays` runs it, over every prefix of
every history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.payload import Codec
from nexus_sdk.engine.apart import read_batches, read_record
from nexus_sdk.errors import BlockingError, HistoryCorruptedError
from nexus_sdk.replay.laws import Run as Run
from nexus_sdk.replay.laws import breaches as breaches
from nexus_sdk.store.port import InstanceRecord, Loaded, Query, Store

PREFIXES_MAX = 50
"""A longer history is replayed at this many of its prefixes."""


class LawBroken(AssertionError):
    """Some law does not hold; the message lists where and how."""


async def check_laws(store: Store) -> None:
    """Hold every run of every instance to laws 1, 2, 3, 5, 6, 8 and 13: see `breaches`.

    Raises:
        LawBroken: naming every violation.
    """
    said: list[str] = []
    async for id in ids_of(store):
        try:
            record, runs = await runs_of(store, id)
        except HistoryCorruptedError as error:
            said.append(f"law 13, {id}: {error}")
            continue
        said += breaches(record, runs)
    if said:
        raise LawBroken("\n".join(said))


async def check_replays(store: Store, registry: Registry, codec: Codec) -> None:
    """Law 12 for every run whose workflow the registry has: each prefix of its history replays to what it records.

    Raises:
        LawBroken: naming the histories that do not.
    """
    said: list[str] = []
    async for id in ids_of(store):
        bound = codec.bound_to(id)
        services = Services(bound, partial(failure_from, codec=bound), lambda: "")
        record, runs = await runs_of(store, id)
        for number, run in enumerate(runs, start=1):
            created = run.created
            workflow = registry.workflow(created.workflow, created.version) if created else None
            if workflow is None:
                continue
            parent_id = record.parent.instance_id if record.parent else None
            identity = Identity(record.id, run.run_id, number, workflow.name, workflow.version, parent_id)
            stride = max(1, len(run.batches) // PREFIXES_MAX)
            for length in range(len(run.batches), 0, -stride):
                execution = Execution(workflow.program, identity, services)
                try:
                    execution.replay(run.batches[:length])
                except BlockingError as error:
                    said.append(f"law 12, {record.id}, run {run.run_id}, first {length} batches: {error}")
                finally:
                    execution.dispose()
    if said:
        raise LawBroken("\n".join(said))


# --- reading ----------------------------------------------------------------------------------------------------------


async def ids_of(store: Store) -> AsyncIterator[str]:
    """The ids of all instances."""
    cursor: str | None = None
    while True:
        page = await store.list(Query(), limit=1_000, cursor=cursor)
        for record in page.records:
            yield record.id
        cursor = page.cursor
        if cursor is None:
            return


async def runs_of(store: Store, id: str) -> tuple[InstanceRecord, list[Run]]:
    """An instance's record and all its runs, oldest first, their chains verified (law 13).

    Record and present run are of one moment: the store may be at work.
    """
    loaded = await store.load(id)
    record = await read_record(store, loaded.record)
    runs = [await _run(store, record.run_id, loaded, record.last_hash)]
    while (created := runs[0].created) is not None and created.previous_run_id is not None:
        earlier = await store.load(id, run_id=created.previous_run_id)
        runs.insert(0, await _run(store, created.previous_run_id, earlier, None))
    return record, runs


async def _run(store: Store, run_id: str, loaded: Loaded, last_hash: bytes | None) -> Run:
    batches = await read_batches(store, loaded.record.id, loaded.batches, every=True)
    wire.verify(batches, last_hash=last_hash)
    return Run(run_id, batches)
