"""A rehearsal: the code that is to be deployed, on the histories of the instances that run. Nothing is written.

The one rule: a change that would block what runs is found before it is made.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nexus_sdk.app import Nexus
from nexus_sdk.core.status import Status
from nexus_sdk.errors import (
    BlockingError,
    HistoryCorruptedError,
    InstanceNotFound,
    InstancesAtRisk,
    NexusError,
    NotServedError,
    PayloadUnreadable,
)
from nexus_sdk.replay.player import identity_of, replay
from nexus_sdk.replay.recorded import load_recording
from nexus_sdk.store.open import open_store
from nexus_sdk.store.port import InstanceRecord, Query, Store

INSTANCES_MAX = 500
"""So many instances that run are tried, the newest."""

AT_A_TIME = 20
"""So many histories are read at a time."""

RUNNING = frozenset({Status.PENDING, Status.RUNNING, Status.SUSPENDED})
"""What is blocked already cannot be blocked by a change."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was tried: how many instances, and whether there are more."""

    number: int
    is_cut: bool


def rehearse(app: Nexus, store_url: str) -> Rehearsed:
    """Replay every instance that runs with this app's code.

    One of a workflow or a version that the app does not have would be blocked, too, once nobody has come for it.

    Raises:
        InstancesAtRisk: some would be blocked.
        StoreError: the store does not answer.
    """
    return asyncio.run(_rehearse(app, store_url))


async def _rehearse(app: Nexus, store_url: str) -> Rehearsed:
    store = open_store(store_url)
    try:
        page = await store.list(Query(statuses=RUNNING), limit=INSTANCES_MAX)
        records = page.records
        blocked: list[tuple[InstanceRecord, NexusError]] = []
        for start in range(0, len(records), AT_A_TIME):
            some = records[start : start + AT_A_TIME]
            ended = await asyncio.gather(*(_tried(app, store, record) for record in some))
            blocked += [(record, error) for record, error in zip(some, ended, strict=True) if error is not None]
    finally:
        await store.close()
    if blocked:
        raise _at_risk(blocked, len(records))
    return Rehearsed(len(records), page.cursor is not None)


async def _tried(app: Nexus, store: Store, record: InstanceRecord) -> NexusError | None:
    """What would block the instance; None: it goes on."""
    workflow = app.registry.workflow(record.workflow, record.version)
    if workflow is None:
        return NotServedError(
            f"{record.id} is of workflow {record.workflow!r} version {record.version!r}, which this code does not have."
        )
    try:
        run = (await load_recording(store, record.id)).run(None)
        if not run.batches:
            return None
        replay(workflow, run.batches, identity_of(run), app.codec, is_strict=False)
    except (InstanceNotFound, HistoryCorruptedError, PayloadUnreadable):
        return None  # gone since it was listed, or not for the code to mend
    except BlockingError as error:
        return error
    return None


def _at_risk(blocked: list[tuple[InstanceRecord, NexusError]], number: int) -> InstancesAtRisk:
    shown = ", ".join(f"{record.id} ({record.workflow})" for record, _ in blocked[:5])
    more = f" and {len(blocked) - 5} more" if len(blocked) > 5 else ""
    instances = "instance that runs" if number == 1 else "instances that run"
    _, error = blocked[0]
    return InstancesAtRisk(
        f"{len(blocked)} of {number} {instances} would be blocked by this code: {shown}{more}.",
        hint=f"[{error.code}] {error.message}\n"
        'Guard the change with ctx.patched("…"), or deploy it all the same: --unchecked. What differs: nexus replay',
    )
