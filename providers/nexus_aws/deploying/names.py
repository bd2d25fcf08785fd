"""What the resources of a deployment are called. Everything begins with the title of the deployment.

The one rule: what holds data has a name that does not depend on when it was made, so that it is found again.
"""

from __future__ import annotations

from nexus_aws.sqs import DEAD, queue_name
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Settings
from nexus_sdk.store.port import TURNS

DEFAULT_QUEUE = "default"


def bucket_name(title: str, account: str, region: str) -> str:
    """Names of buckets are taken all over the world: ours has account and region in it."""
    return f"{title}-{account}-{region}"


def artifact_bucket_name(account: str, region: str) -> str:
    """Where the code of all deployments of an account and region is uploaded."""
    return f"nexus-artifacts-{account}-{region}"


def log_group_name(title: str) -> str:
    """The log of the function."""
    return f"/aws/lambda/{title}"


def dead_queue(title: str) -> str:
    """The queue of dead letters."""
    return queue_name(title, DEAD)


def served_queues(program: Program, settings: Settings) -> dict[str, str]:
    """The queues that the function is fed from: logical ids of the template, and names."""
    theirs = sorted(program.app.registry.task_queues - set(settings.texts("workers")))
    return {_logical(queue): queue_name(settings.title, queue) for queue in (TURNS, *theirs)}


def worker_queues(settings: Settings) -> dict[str, str]:
    """The queues that workers elsewhere serve, the same way."""
    return {_logical(queue): queue_name(settings.title, queue) for queue in sorted(settings.texts("workers"))}


def _logical(queue: str) -> str:
    """A logical id: letters and digits, and different for different queues."""
    if queue == TURNS:
        return "Bells"
    plain = "".join(part.capitalize() for part in queue.replace("_", "-").split("-"))
    if plain.isalnum() and plain.isascii() and len(plain) <= 60 and queue == queue.lower():
        return f"Queue{plain}"
    from hashlib import sha256

    return f"Queue{sha256(queue.encode()).hexdigest()[:16]}"
