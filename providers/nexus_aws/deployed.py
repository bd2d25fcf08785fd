"""What Lambda calls in a stack that `nexus deploy aws` has made: ``nexus_aws.deployed.handler``.

The function's environment names the app (``NEXUS_APP``) and the stack's table (``NEXUS_STORE``). The one rule: whatever
store the program names for itself, here it lives on the stack's.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from nexus_aws.function import lambda_handler
from nexus_aws.url import open_store
from nexus_sdk.app import Nexus
from nexus_sdk.errors import DefinitionError

if TYPE_CHECKING:
    from nexus_aws.function import Function

WORKERS = "NEXUS_WORKER_QUEUES"
"""The variable that lists task queues which workers elsewhere serve."""


def deployed_handler(spec: str, store_url: str, worker_queues: frozenset[str] = frozenset()) -> Function:
    """The handler of an app on a table.

    Args:
        spec: ``MODULE[:APP]``.
        worker_queues: task queues that workers elsewhere serve: the function runs none of their activities.

    Raises:
        DefinitionError: the module has no such app.
    """
    module_name, _, attribute = spec.partition(":")
    module = import_module(module_name)
    app = getattr(module, attribute, None) if attribute else Nexus.from_module(module)
    if not isinstance(app, Nexus):
        raise DefinitionError(f"{module_name} has no app {attribute!r}.", hint="Build and deploy it again.")
    registry = app.registry
    activities = [a for a in registry.activities.values() if a.activity_options.task_queue not in worker_queues]
    on_table = Nexus(
        open_store(store_url),
        workflows=registry.workflows.values(),
        activities=activities,
        codec=app.codec,
        environment=app.environment,
        history_limits=app.history_limits,
    )
    return lambda_handler(on_table)


if "NEXUS_APP" in os.environ and "NEXUS_STORE" in os.environ and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _queues = frozenset(filter(None, os.environ.get(WORKERS, "").split(",")))
    handler = deployed_handler(os.environ["NEXUS_APP"], os.environ["NEXUS_STORE"], _queues)
