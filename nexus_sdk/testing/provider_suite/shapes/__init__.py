"""The corpus: small workflows of every shape, which come to the same end, with the same histories, on every store.

One module per theme, a few lines per shape; together they use every kind of operation, and the combinations of them
that have gone wrong somewhere. The tests of the engine play them once for every place where a crash can strike.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.testing.provider_suite.shapes import (
    activities,
    attempts,
    events,
    families,
    groups,
    runs,
    scopes,
    steps,
    stopping,
)
from nexus_sdk.testing.provider_suite.shapes.activities import EFFECTS
from nexus_sdk.testing.provider_suite.shapes.shape import Shape
from nexus_sdk.testing.provider_suite.shapes.steps import LARGE

THEMES = (steps, groups, families, events, runs, scopes, attempts, stopping)

SHAPES: dict[str, Shape] = {name: shape for theme in THEMES for name, shape in theme.SHAPES.items()}
"""Every shape by its name."""


def _workflows_of(theme: ModuleType) -> list[Workflow[..., Any]]:
    return [found for found in vars(theme).values() if isinstance(found, Workflow)]


WORKFLOWS = list(dict.fromkeys(found for theme in THEMES for found in _workflows_of(theme)))
ACTIVITIES = list(activities.SERVED)

__all__ = ["ACTIVITIES", "EFFECTS", "LARGE", "SHAPES", "THEMES", "WORKFLOWS", "Shape"]
