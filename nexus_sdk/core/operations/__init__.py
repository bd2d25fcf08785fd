"""One file per kind of operation: what the user builds, and the node it becomes when it runs.

Those that definitions build are names of this package, each loaded when a workflow first asks for one: a process that
only defines workflows loads none of the machinery.
"""

from __future__ import annotations

from nexus_sdk.lazy import lazy_names

TYPE_CHECKING = False  # as in nexus_sdk/__init__.py
if TYPE_CHECKING:
    from nexus_sdk.core.operations.activity import ActivityOperation as ActivityOperation
    from nexus_sdk.core.operations.child import ChildOperation as ChildOperation
    from nexus_sdk.core.operations.ending import CompleteOperation as CompleteOperation
    from nexus_sdk.core.operations.ending import ContinueAsNewOperation as ContinueAsNewOperation
    from nexus_sdk.core.operations.gather import GatherOperation as GatherOperation
    from nexus_sdk.core.operations.map import MapOperation as MapOperation
    from nexus_sdk.core.operations.race import RaceOperation as RaceOperation
    from nexus_sdk.core.operations.send import SendOperation as SendOperation
    from nexus_sdk.core.operations.side_effect import SideEffectOperation as SideEffectOperation
    from nexus_sdk.core.operations.timer import SleepOperation as SleepOperation
    from nexus_sdk.core.operations.wait import WaitOperation as WaitOperation

_HOME_OF = {
    "ActivityOperation": "nexus_sdk.core.operations.activity",
    "ChildOperation": "nexus_sdk.core.operations.child",
    "CompleteOperation": "nexus_sdk.core.operations.ending",
    "ContinueAsNewOperation": "nexus_sdk.core.operations.ending",
    "GatherOperation": "nexus_sdk.core.operations.gather",
    "MapOperation": "nexus_sdk.core.operations.map",
    "RaceOperation": "nexus_sdk.core.operations.race",
    "SendOperation": "nexus_sdk.core.operations.send",
    "SideEffectOperation": "nexus_sdk.core.operations.side_effect",
    "SleepOperation": "nexus_sdk.core.operations.timer",
    "WaitOperation": "nexus_sdk.core.operations.wait",
}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__ = lazy_names(__name__, _HOME_OF)
