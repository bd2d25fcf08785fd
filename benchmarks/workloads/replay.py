"""W4: a recorded history, from its bytes to the line where the workflow stood. No store, no activity."""

from __future__ import annotations

import pickle

from benchmarks.definitions import new_app, sequential, served
from benchmarks.measures import Numbers, Stopwatch, peak_mb
from benchmarks.workloads.base import Place
from nexus_sdk.engine.instance import open_instance

EVENTS_PER_STEP = 2


async def record(place: Place, count: int) -> None:
    """Write a history of so many events, one batch per step."""
    app = new_app("memory://")
    async with served(app) as client:
        handle = await client.start(sequential, count // EVENTS_PER_STEP)
        await handle.result()
        loaded = await app.store.load(handle.id)
    (place.folder / "history").write_bytes(pickle.dumps(loaded))


async def from_the_start(place: Place, count: int) -> Numbers:
    """Replay of a history written one batch per step: decoded, its hash chain verified, the workflow driven."""
    app = new_app("memory://")
    surroundings = app.client().surroundings
    loaded = pickle.loads((place.folder / "history").read_bytes())
    watch = Stopwatch()
    instance = await open_instance(app.store, loaded)
    decoding = watch.rates(count)
    execution = instance.execute(surroundings)
    assert execution is not None
    assert execution.end is not None
    return {**watch.rates(count), "decoding_us_each": decoding["us_each"], "peak_mb": peak_mb()}
