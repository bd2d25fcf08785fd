"""The corpus of shapes leaves nothing out: every kind of event happens in some of their histories."""

from __future__ import annotations

from nexus_sdk.core import events as e
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.laws import ids_of, runs_of
from tests.scenarios.shapes import ACTIVITIES, SHAPES, WORKFLOWS, Shape

NEVER = {e.Event, e.LookRequested}
"""What is never part of a history."""

EVENTS = [found for found in vars(e).values() if isinstance(found, type) and issubclass(found, e.Event)]
KINDS = {event for event in EVENTS if "kind" in vars(event)}


async def kinds_of(shape: Shape) -> set[type[e.Event]]:
    """What happens in the histories of a shape."""
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES) as env:
        assert await shape.play(env) == shape.result
        store = env.app.store
        runs = [run async for id in ids_of(store) for run in (await runs_of(store, id))[1]]
        return {type(event) for run in runs for _, event in run.events()}


async def test_every_kind_of_event_happens_in_some_shape() -> None:
    happened = {kind for shape in SHAPES.values() for kind in await kinds_of(shape)}
    assert happened == KINDS - NEVER


async def test_every_workflow_of_the_corpus_is_some_shapes() -> None:
    """None is left over from a shape that is gone: what is not run by itself is another one's child."""
    run: set[str] = set()
    for shape in SHAPES.values():
        async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES) as env:
            await shape.play(env)
            run |= {status.workflow for status in await env.client.list()}
    assert {workflow.name for workflow in WORKFLOWS} == run
