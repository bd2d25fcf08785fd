"""`ctx.log`: a structlog logger whose lines are said when the turn that wrote them is durable."""

from __future__ import annotations

from typing import Any

import structlog

from nexus_sdk.core.execution import Execution

LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "msg", "warn", "fatal")


class _Sink:
    """Where the bound logger ends: in the turn."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def __getattr__(self, level: str) -> Any:
        if level not in LEVELS:
            raise AttributeError(level)

        def say(event: str = "", **fields: Any) -> None:
            self._execution.ledger.log(level, event, fields)

        return say


def workflow_logger(execution: Execution) -> Any:
    """A logger bound to the instance, for one run."""
    identity = execution.identity
    logger = structlog.wrap_logger(_Sink(execution), processors=[], wrapper_class=structlog.stdlib.BoundLogger)
    return logger.bind(instance_id=identity.instance_id, workflow=identity.workflow, run=identity.run)
