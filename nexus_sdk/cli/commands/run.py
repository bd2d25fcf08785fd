"""`nexus run` and `nexus start`: begin an instance, here or for workers elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from nexus_sdk.app import Nexus, result_served_by
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, checked, continuing
from nexus_sdk.cli.inputs import INPUT_HELP, bind
from nexus_sdk.cli.loading import Target, find_workflow
from nexus_sdk.cli.mistakes import FAILED, Mistake, described, tell, told
from nexus_sdk.cli.serving import Stopped, live, release, signals, unless
from nexus_sdk.cli.watching import Trace, Watched
from nexus_sdk.client.client import Client
from nexus_sdk.client.handle import Handle
from nexus_sdk.errors import BlockingError, NexusError, WorkflowEnded, WorkflowFailed

WorkflowArgument = Annotated[
    str, typer.Argument(metavar="MODULE:WORKFLOW", help="orders:fulfil, or path/to/orders.py:fulfil")
]
InputOption = Annotated[str | None, typer.Option("--input", metavar="JSON", help=INPUT_HELP)]
IdOption = Annotated[
    str | None, typer.Option("--id", help="The instance's id. One that exists goes on; without --input, with its own.")
]


@told
def run(
    workflow: WorkflowArgument,
    input: InputOption = None,
    id: IdOption = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show what happens, over time, while it happens.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Run a workflow to its end, here, with an embedded worker."""
    target = find_workflow(workflow, store, app)
    checked(target.app, may_make=True, is_alone=True)
    instance_id = _new_id(target) if id is None else check_instance_id(id)
    again = continuing("run", workflow, *_id_option(instance_id), store=store) if _is_lasting(target.app) else ""
    watched = Watched(target.app, instance_id, Trace() if trace else None)
    _log_no_block_of(instance_id)
    try:
        result = asyncio.run(_run(target, instance_id, input, watched, again, is_new=id is None))
    except Stopped:
        _say_stopped(again)
        release(target.app)
        raise typer.Exit(FAILED) from None
    except (WorkflowEnded, BlockingError) as error:
        release(target.app)
        _tell_end(error, instance_id, again, store, json)
        raise typer.Exit(FAILED) from None
    release(target.app)
    _put_result(instance_id, result, json)


@told
def start(
    workflow: WorkflowArgument,
    input: InputOption = None,
    id: IdOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the result.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Start a workflow and leave it to workers. Prints the id."""
    target = find_workflow(workflow, store, app)
    checked(target.app, may_make=True)
    instance_id = _new_id(target) if id is None else check_instance_id(id)
    call = bind(target.workflow, input, target.app.codec)
    watched = Watched(target.app, instance_id)
    try:
        result = asyncio.run(_start(target.app, call, instance_id, wait, watched, json))
    except Stopped:
        output.say(f"No longer waiting. {instance_id} goes on where workers serve it:  ", _serve(workflow, store))
        raise typer.Exit(FAILED) from None
    except WorkflowEnded as error:
        _tell_end(error, instance_id, continuing("history", id=instance_id, store=store), store, json)
        raise typer.Exit(FAILED) from None
    if wait:
        _put_result(instance_id, result, json)
    elif not json:
        output.say("Workers serve it:  ", _serve(workflow, store))


def _log_no_block_of(instance_id: str) -> None:
    """That it is blocked is how the command ends, and said there: nobody wants to read it twice."""
    import structlog

    def leave_out(logger: Any, method: str, line: Any) -> Any:
        if line.get("instance_id") == instance_id and line.get("status") == "blocked":
            raise structlog.DropEvent
        return line

    structlog.configure(processors=[leave_out, *structlog.get_config()["processors"]])


# --- running ----------------------------------------------------------------------------------------------------------


async def _run(target: Target, instance_id: str, given: str | None, watched: Watched, again: str, is_new: bool) -> Any:
    app = target.app
    client = app.client()
    try:
        handle = await _begun(client, target.workflow, instance_id, given, again if is_new else None)
        try:
            return await _served(app, handle, watched, again)
        finally:
            await watched.finish()
    finally:
        await app.store.close()


async def _served(app: Nexus, handle: Handle[Any], watched: Watched, again: str) -> Any:
    """The result, from an embedded worker."""
    with live(watched.line, watched.trace.lines if watched.trace is not None else None) as leave:

        def at_once() -> None:
            leave()
            _say_stopped(again)

        async with signals(watched.stop, at_once) as asked:
            try:
                async with app.worker() as worker, _following(watched):
                    return await unless(asked, result_served_by(worker, handle))
            except Stopped:
                if (await handle.status()).status.is_finished:  # what was drained was its last step
                    return await handle.result()
                raise


@asynccontextmanager
async def _following(watched: Watched) -> AsyncIterator[None]:
    """What is shown of it is kept up to date meanwhile."""
    following = asyncio.create_task(watched.follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _say_stopped(again: str) -> None:
    output.say("Stopped." + (f" It goes on with:  {again}" if again else ""))


async def _begun(
    client: Client, workflow: Workflow[Any, Any], instance_id: str, given: str | None, again: str | None
) -> Handle[Any]:
    """The instance: started, or attached to when the id exists; an id alone goes on with what it was started with."""
    if given is None and again is None and await client.exists(instance_id):
        handle = client.get(instance_id)
        name = (await handle.status()).workflow
        if name != workflow.name:
            raise Mistake(f"{instance_id} is an instance of {name!r}, not of {workflow.name!r}.")
        return handle
    call = bind(workflow, given, client.codec)
    handle = await client.start(call, id=instance_id, on_conflict="attach")
    if again is not None:  # said only when it is recorded: what is not there cannot go on
        output.say(("id ", "dim"), instance_id)
        if again:
            output.say(("goes on with  ", "dim"), again)
    return handle


async def _start(app: Nexus, call: Any, instance_id: str, waits: bool, watched: Watched, is_json: bool) -> Any:
    try:
        handle: Handle[Any] = await app.client().start(call, id=instance_id)
        if not waits:
            output.put_json({"id": handle.id}) if is_json else output.put(handle.id)
            return None
        output.say(("id ", "dim"), instance_id)
        with live(watched.line):
            async with signals(lambda: None) as asked, _following(watched):
                return await unless(asked, handle.result())
    finally:
        await app.store.close()


# --- telling ----------------------------------------------------------------------------------------------------------


def _put_result(instance_id: str, result: Any, is_json: bool) -> None:
    shown = output.plain(result)
    output.put_json({"id": instance_id, "status": "completed", "result": shown} if is_json else shown)


def _tell_end(error: NexusError, instance_id: str, again: str, store: str | None, is_json: bool) -> None:
    """How an instance ended, or what blocks it, and what can be done."""
    blocked = isinstance(error, BlockingError)
    if is_json:
        status = "blocked" if blocked else type(error).__name__.removeprefix("Workflow").lower()
        output.put_json({"id": instance_id, "status": status, "error": described(error)})
        return
    steps = [f"See what happened:  {continuing('history', id=instance_id, store=store)}"]
    if isinstance(error, WorkflowFailed):
        steps.append(
            f"Mend the cause, then retry from the failed step:  {continuing('rewind', id=instance_id, store=store)}"
        )
    if blocked:
        # Mended code is noticed; a key that was added, or memory, is not.
        steps.append(f"Mend the cause, then let it try again:  {continuing('resume', id=instance_id, store=store)}")
        steps.append(f"Go on with:  {again}")
    tell(error, is_json=False, next_steps=tuple(steps))


def _serve(workflow: str, store: str | None) -> str:
    return continuing("worker", workflow.rpartition(":")[0] or workflow, store=store)


def _id_option(instance_id: str) -> list[str]:
    return [f"--id={instance_id}"] if instance_id.startswith("-") else ["--id", instance_id]


def _new_id(target: Target) -> str:
    token = target.app.environment.randomness.token()[:10]
    return check_instance_id(f"{target.workflow.name}-{token}")


def _is_lasting(app: Nexus) -> bool:
    return not (app.store_url or "").startswith("memory:")
