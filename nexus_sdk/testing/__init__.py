"""Tools for testing workflows and stores: a fake clock, an environment, the suite that every store passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus_sdk.testing.clock import FakeClock as FakeClock
    from nexus_sdk.testing.environment import WorkflowEnvironment as WorkflowEnvironment

_HOMES = {"FakeClock": "nexus_sdk.testing.clock", "WorkflowEnvironment": "nexus_sdk.testing.environment"}

__all__ = ["FakeClock", "WorkflowEnvironment"]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'nexus_sdk.testing' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
