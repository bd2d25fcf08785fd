"""Why nothing is due: what an instance waits for, who of a test would have to do what."""

from __future__ import annotations

from collections.abc import Iterable

from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.core import events as e
from nexus_sdk.core.status import Status
from nexus_sdk.errors import NothingIsDue
from nexus_sdk.store.port import LOCAL
from nexus_sdk.testing.postponed import Served

SHOWN_MAX = 5
"""So many of the things that an instance waits for are named."""


def nothing_is_due(status: InstanceStatus, events: Iterable[e.Event], served: Served, *, is_auto: bool) -> NothingIsDue:
    """The error for an instance that nothing will finish.

    Args:
        status: its status.
        events: its history.
        served: what the environment's workers serve.
        is_auto: whether the clock jumps by itself.
    """
    said, hints = [], []
    if not served:
        hints.append("There is no worker: await env.restart_worker().")
    elif not any(registry.workflow(status.workflow, status.version) for registry, _ in served):
        said.append(f"No worker here serves workflow {status.workflow!r} version {status.version!r}.")
        hints.append("Name it in workflows=[…].")
    elif status.status is Status.SUSPENDED:
        hints.append("Resume it: await handle.resume().")
    else:
        found = [_wait(event, served, is_auto) for event in open_waits(events)]
        named = list(dict.fromkeys(text for text, _ in found))
        if named:
            more = f" and {len(named) - SHOWN_MAX} more" if len(named) > SHOWN_MAX else ""
            said.append(f"It waits for {', '.join(named[:SHOWN_MAX])}{more}.")
        hints += dict.fromkeys(hint for _, hint in found if hint)
    what = f"{status.id} is {status.status}, and nothing is due that could finish it."
    return NothingIsDue(" ".join([what, *said]), hint=" ".join(hints))


def open_waits(events: Iterable[e.Event]) -> list[e.Output]:
    """What was asked for and has no answer yet, in order."""
    waits: dict[str, e.Output] = {}
    for event in events:
        match event:
            case e.ActivityScheduled() | e.ChildScheduled() | e.EventSent() | e.EventAwaited() | e.TimerStarted():
                waits[event.path] = event
            case e.EventReceived(name=name):
                taker = next(
                    (path for path, x in waits.items() if isinstance(x, e.EventAwaited) and x.name == name), ""
                )
                waits.pop(taker, None)
            case _:
                waits.pop(getattr(event, "path", ""), None)
    return list(waits.values())


def _wait(event: e.Output, served: Served, is_auto: bool) -> tuple[str, str]:
    """What is waited for, and what would help."""
    advance = "" if is_auto else "Let time pass: await env.advance(…)."
    match event:
        case e.ActivityScheduled(name=name, options=options):
            queue = LOCAL if options.local else options.task_queue
            on_queue = "" if queue in (LOCAL, "default") else f" on queue {queue!r}"
            if any(registry.activity(name) and queue in {LOCAL, *queues} for registry, queues in served):
                return f"activity {name!r}{on_queue}", advance
            helps = f"Name it in activities=[…], or mock it: env.mock({name}, returns=…)."
            return f"activity {name!r}{on_queue}, which no worker here serves", helps
        case e.ChildScheduled(workflow=workflow, version=version, instance_id=instance_id):
            if any(registry.workflow(workflow, version) for registry, _ in served):
                return f"child workflow {instance_id!r}", ""
            helps = f"Name it in workflows=[…], or mock it: env.mock({workflow}, returns=…)."
            return f"child workflow {workflow!r}, which no worker here serves", helps
        case e.EventAwaited(name=name, due_us=due_us):
            return f"event {name!r}", "Send it: await handle.send_event(…)." if due_us is None else advance
        case e.TimerStarted(purpose=purpose):
            return f"a timer ({purpose})", advance
        case e.EventSent(name=name, target=target):
            return f"the acceptance of event {name!r} by {target!r}", ""
        case _:
            return type(event).__name__, ""
