"""`nexus run` and `nexus start`: begin an instance, here or for workers elsewhere."""

from __future__ import annotations

import asyncio
import sys
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
from nexus_sdk.cli.serving import Stopped, live_line, release, signals, unless
from nexus_sdk.cli.timeline import unserved
from nexus_sdk.client.client import Client
from nexus_sdk.client.handle import Handle
from nexus_sdk.client.status import status_of
from nexus_sdk.errors import BlockingError, NexusError, WorkflowEnded, WorkflowFailed

STALL_SECONDS = 3.0
"""After so long without a step it is asked whether an activity is missing."""

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
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Run a workflow to its end, here, with an embedded worker."""
    target = find_workflow(workflow, store, app)
    checked(target.app, may_make=True, is_alone=True)
    instance_id = _new_id(target) if id is None else check_instance_id(id)
    again = continuing("run", workflow, *_id_option(instance_id), store=store) if _is_lasting(target.app) else ""
    watched = _Watched(target.app, instance_id)
    try:
        result = asyncio.run(_run(target, instance_id, input, watched, None if id is not None else again))
    except Stopped:
        output.say("Stopped." + (f" It goes on with:  {again}" if again else ""))
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
    watched = _Watched(target.app, instance_id)
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


# --- running ----------------------------------------------------------------------------------------------------------


class _Watched:
    """What the live line shows of an instance, kept up to date by `follow`."""

    def __init__(self, app: Nexus, instance_id: str) -> None:
        self._app = app
        self._id = instance_id
        self.text = instance_id
        self.is_stopping = False

    def stop(self) -> None:
        """Say that it stops: on the live line, or where there is none in a line of its own."""
        self.is_stopping = True
        if not output.is_terminal(sys.stderr):
            output.say("Stopping when the activities that run have ended; the same signal again exits at once.")

    def line(self) -> str:
        return f"{self.text} · stopping" if self.is_stopping else self.text

    async def follow(self) -> None:
        """Keep the text up to date, and say once if nothing moves because an activity is served nowhere here."""
        store, has_told = self._app.store, False
        while True:
            record = await store.find(self._id)
            status = status_of(record, self._app.codec)
            custom = "" if status.custom_status is None else output.sentence(output.plain(status.custom_status))
            self.text = f"{self._id} · {custom or status.status}"
            if record.status.is_finished:
                return
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await store.watch(self._id, run_id=record.run_id, after=record.last_batch)
            except TimeoutError:
                has_told = has_told or await self._tell_missing()
            await asyncio.sleep(0.1)

    async def _tell_missing(self) -> bool:
        batches = (await self._app.client().get(self._id).history()).batches
        missing = unserved(batches, self._app.registry.activities)
        if missing:
            names = " and ".join(map(repr, missing))
            output.say(f"It waits for {names}, which is not served here: import it in the module, or run a worker.")
        return bool(missing)


async def _run(target: Target, instance_id: str, given: str | None, watched: _Watched, again: str | None) -> Any:
    app = target.app
    client = app.client()
    try:
        handle = await _begun(client, target.workflow, instance_id, given, again)
        async with signals(watched.stop) as asked:
            with live_line(watched.line):
                try:
                    async with app.worker() as worker:
                        following = asyncio.create_task(watched.follow())
                        try:
                            return await unless(asked, result_served_by(worker, handle))
                        finally:
                            following.cancel()
                            await asyncio.gather(following, return_exceptions=True)
                except Stopped:
                    if (await handle.status()).status.is_finished:  # what was drained was its last step
                        return await handle.result()
                    raise
    finally:
        await app.store.close()


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


async def _start(app: Nexus, call: Any, instance_id: str, waits: bool, watched: _Watched, is_json: bool) -> Any:
    try:
        handle: Handle[Any] = await app.client().start(call, id=instance_id)
        if not waits:
            output.put_json({"id": handle.id}) if is_json else output.put(handle.id)
            return None
        output.say(("id ", "dim"), instance_id)
        async with signals(lambda: None) as asked:
            with live_line(watched.line):
                following = asyncio.create_task(watched.follow())
                try:
                    return await unless(asked, handle.result())
                finally:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
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
        steps.append(f"Mend the code, then go on:  {again}")
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
