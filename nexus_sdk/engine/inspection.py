"""Looking into an instance without moving it: queries replay it read-only, in the asking process with its own code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nexus_sdk.core.turn import take_turn
from nexus_sdk.engine.instance import Instance, Surroundings, open_instance
from nexus_sdk.errors import DefinitionError
from nexus_sdk.store.port import Store


async def query_instance(
    store: Store, instance_id: str, name: str, arguments: Sequence[Any], surroundings: Surroundings
) -> Any:
    """Replay an instance and ask its query handler. Before its first turn it is run unrecorded.

    Raises:
        InstanceNotFound: no such instance.
        DefinitionError: this app does not have its workflow.
        UnknownQuery: no such handler at this point.
    """
    instance = await open_instance(store, await store.load(instance_id))
    try:
        return _ask(instance, name, arguments, surroundings)
    finally:
        instance.dispose()


def _ask(instance: Instance, name: str, arguments: Sequence[Any], surroundings: Surroundings) -> Any:
    execution = instance.execute(surroundings)
    record = instance.record
    if execution is None:
        raise DefinitionError(
            f"{record.id} is of workflow {record.workflow!r} version {record.version!r}, which this app does not have.",
            hint="Queries are answered by the asking process's own code: name the app that has the workflow "
            "(`nexus query … --app MODULE`).",
        )
    if execution.main is None and execution.end is None:
        start_us = execution.created.start_at_us if execution.created else None
        now_us = max(surroundings.environment.clock.now_us(), start_us or 0)
        surroundings.environment.watchdog.watch(record.id, take_turn, execution, (), now_us)
    return execution.query(name, arguments)
