"""Tools for testing workflows and stores: a fake clock, an environment, the suite that every store passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus_sdk.errors import ClockRunsAway as ClockRunsAway
    from nexus_sdk.errors import CrashDifference as CrashDifference
    from nexus_sdk.errors import MockExhausted as MockExhausted
    from nexus_sdk.errors import NothingIsDue as NothingIsDue
    from nexus_sdk.testing.clock import FakeClock as FakeClock
    from nexus_sdk.testing.environment import WorkflowEnvironment as WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle as EnvironmentHandle
    from nexus_sdk.testing.replays import assert_replays as assert_replays
    from nexus_sdk.testing.synchronous import SyncEnvironment as SyncEnvironment

_HOMES = {
    "ClockRunsAway": "nexus_sdk.errors",
    "CrashDifference": "nexus_sdk.errors",
    "EnvironmentHandle": "nexus_sdk.testing.handle",
    "FakeClock": "nexus_sdk.testing.clock",
    "MockExhausted": "nexus_sdk.errors",
    "NothingIsDue": "nexus_sdk.errors",
    "SyncEnvironment": "nexus_sdk.testing.synchronous",
    "WorkflowEnvironment": "nexus_sdk.testing.environment",
    "assert_replays": "nexus_sdk.testing.replays",
}

__all__ = [
    "ClockRunsAway",
    "CrashDifference",
    "EnvironmentHandle",
    "FakeClock",
    "MockExhausted",
    "NothingIsDue",
    "SyncEnvironment",
    "WorkflowEnvironment",
    "assert_replays",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'nexus_sdk.testing' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
