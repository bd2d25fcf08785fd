"""Which workflow, if any, is running in this thread right now: how an operation knows that it is inside one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Execution

running: ContextVar[Execution | None] = ContextVar("nexus_workflow", default=None)
"""Set while workflow code is stepped; unset inside `side_effect` and `on_query` functions."""
