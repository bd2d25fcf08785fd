"""A shape: a small workflow, what the outside world does meanwhile, and what must come of it on every store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.errors import WorkflowEnded
from nexus_sdk.testing.crashes import Script
from nexus_sdk.testing.provider_suite.shapes.activities import MENDED

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment

ID = "it"
"""The id of a shape's instance."""


@dataclass(frozen=True)
class Shape:
    """A workflow with its arguments, what the outside world does after the start, and what it comes to.

    Attributes:
        workflow: what is run.
        arguments: its arguments.
        result: its result; or the class of the error that its end is.
        script: sends events, asks it to stop, lets time pass: by minutes, as a crash may cost seconds.
        options: of the start.
    """

    workflow: Workflow[..., Any]
    arguments: tuple[Any, ...] = ()
    result: Any = None
    script: Script | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    async def play(self, env: WorkflowEnvironment) -> Any:
        """Run it in an environment until nothing is left to do; what it came to."""
        MENDED.clear()
        handle = await env.start(self.workflow, *self.arguments, **{"id": ID, **self.options})
        if self.script is not None:
            await self.script(env, handle)
        try:
            end: Any = await handle.result()
        except WorkflowEnded as error:
            end = type(error)
        await env.run_until_idle()
        return end
