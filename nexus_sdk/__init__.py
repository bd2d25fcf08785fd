"""NEXUS: durable execution for Python functions. Write a process as an async generator; it survives any crash.

Importing this package is cheap: everything is loaded where it is first used.

PYTEST_DONT_REWRITE: pytest, whose plugin this package has, need not warn where it was imported before.
"""

from __future__ import annotations

from nexus_sdk.lazy import lazy_names

TYPE_CHECKING = False  # the name is enough for type checkers; importing `typing` would be most of this import's cost
if TYPE_CHECKING:
    from nexus_sdk.app import Nexus as Nexus
    from nexus_sdk.authoring.activity import Activity as Activity
    from nexus_sdk.authoring.activity import activity as activity
    from nexus_sdk.authoring.context import Context as Context
    from nexus_sdk.authoring.info import ActivityInfo as ActivityInfo
    from nexus_sdk.authoring.info import activity_info as activity_info
    from nexus_sdk.authoring.info import heartbeat as heartbeat
    from nexus_sdk.authoring.retry import Retry as Retry
    from nexus_sdk.authoring.workflow import Completes as Completes
    from nexus_sdk.authoring.workflow import Workflow as Workflow
    from nexus_sdk.authoring.workflow import workflow as workflow
    from nexus_sdk.client.client import Client as Client
    from nexus_sdk.client.handle import Handle as Handle
    from nexus_sdk.client.history import History as History
    from nexus_sdk.client.status import InstanceStatus as InstanceStatus
    from nexus_sdk.client.status import Page as Page
    from nexus_sdk.codec.secret import Secret as Secret
    from nexus_sdk.core.history import HistorySize as HistorySize
    from nexus_sdk.core.operation import Operation as Operation
    from nexus_sdk.core.operations.ending import Completion as Completion
    from nexus_sdk.core.operations.race import Winner as Winner
    from nexus_sdk.core.status import Status as Status
    from nexus_sdk.engine.limits import HistoryLimits as HistoryLimits
    from nexus_sdk.errors import ActivityFailed as ActivityFailed
    from nexus_sdk.errors import ApplicationError as ApplicationError
    from nexus_sdk.errors import BlockingError as BlockingError
    from nexus_sdk.errors import CancelledError as CancelledError
    from nexus_sdk.errors import ChildWorkflowFailed as ChildWorkflowFailed
    from nexus_sdk.errors import CompensationFailed as CompensationFailed
    from nexus_sdk.errors import ConflictError as ConflictError
    from nexus_sdk.errors import DefinitionError as DefinitionError
    from nexus_sdk.errors import HistoryCorruptedError as HistoryCorruptedError
    from nexus_sdk.errors import HistoryTooLong as HistoryTooLong
    from nexus_sdk.errors import IllegalAwaitError as IllegalAwaitError
    from nexus_sdk.errors import IllegalYieldError as IllegalYieldError
    from nexus_sdk.errors import InstanceExists as InstanceExists
    from nexus_sdk.errors import InstanceFinished as InstanceFinished
    from nexus_sdk.errors import InstanceNotFound as InstanceNotFound
    from nexus_sdk.errors import InvalidArgument as InvalidArgument
    from nexus_sdk.errors import KeyMissing as KeyMissing
    from nexus_sdk.errors import NexusError as NexusError
    from nexus_sdk.errors import NonDeterminismError as NonDeterminismError
    from nexus_sdk.errors import PayloadError as PayloadError
    from nexus_sdk.errors import PayloadTooLarge as PayloadTooLarge
    from nexus_sdk.errors import PayloadUnreadable as PayloadUnreadable
    from nexus_sdk.errors import SchemaOutdated as SchemaOutdated
    from nexus_sdk.errors import SealBroken as SealBroken
    from nexus_sdk.errors import StoreError as StoreError
    from nexus_sdk.errors import StoreUnavailable as StoreUnavailable
    from nexus_sdk.errors import UnknownQuery as UnknownQuery
    from nexus_sdk.errors import UnusedOperationError as UnusedOperationError
    from nexus_sdk.errors import WaitTimedOut as WaitTimedOut
    from nexus_sdk.errors import WorkflowCancelled as WorkflowCancelled
    from nexus_sdk.errors import WorkflowFailed as WorkflowFailed
    from nexus_sdk.errors import WorkflowTerminated as WorkflowTerminated

__version__ = "0.1.0"

_HOMES: dict[str, tuple[str, ...]] = {
    "nexus_sdk.app": ("Nexus",),
    "nexus_sdk.authoring.activity": ("Activity", "activity"),
    "nexus_sdk.authoring.context": ("Context",),
    "nexus_sdk.authoring.info": ("ActivityInfo", "activity_info", "heartbeat"),
    "nexus_sdk.authoring.retry": ("Retry",),
    "nexus_sdk.authoring.workflow": ("Completes", "Workflow", "workflow"),
    "nexus_sdk.client.client": ("Client",),
    "nexus_sdk.client.handle": ("Handle",),
    "nexus_sdk.client.history": ("History",),
    "nexus_sdk.client.status": ("InstanceStatus", "Page"),
    "nexus_sdk.codec.secret": ("Secret",),
    "nexus_sdk.core.history": ("HistorySize",),
    "nexus_sdk.core.operation": ("Operation",),
    "nexus_sdk.core.operations.ending": ("Completion",),
    "nexus_sdk.core.operations.race": ("Winner",),
    "nexus_sdk.core.status": ("Status",),
    "nexus_sdk.engine.limits": ("HistoryLimits",),
    "nexus_sdk.errors": (
        "BlockingError",
        "ActivityFailed",
        "ApplicationError",
        "CancelledError",
        "ChildWorkflowFailed",
        "CompensationFailed",
        "ConflictError",
        "DefinitionError",
        "HistoryCorruptedError",
        "HistoryTooLong",
        "IllegalAwaitError",
        "IllegalYieldError",
        "InstanceExists",
        "InstanceFinished",
        "InstanceNotFound",
        "InvalidArgument",
        "KeyMissing",
        "NexusError",
        "NonDeterminismError",
        "PayloadError",
        "PayloadTooLarge",
        "PayloadUnreadable",
        "SchemaOutdated",
        "SealBroken",
        "StoreError",
        "StoreUnavailable",
        "UnknownQuery",
        "UnusedOperationError",
        "WaitTimedOut",
        "WorkflowCancelled",
        "WorkflowFailed",
        "WorkflowTerminated",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__ = lazy_names(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
