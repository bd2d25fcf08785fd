"""The shapes that every store answers to, as the tests of the engine use them; and a sample of the small ones."""

from __future__ import annotations

from nexus_sdk.testing.provider_suite.shapes import ACTIVITIES, EFFECTS, LARGE, SHAPES, THEMES, WORKFLOWS, Shape

SAMPLE = (
    "sequence",
    "gather and map",
    "race",
    "saga that fails",
    "children",
    "continue_as_new",
    "events",
    "local",
    "retries",
    "large values",
)
"""Ten that use most of what there is: for what would take too long with all of them."""

__all__ = ["ACTIVITIES", "EFFECTS", "LARGE", "SAMPLE", "SHAPES", "THEMES", "WORKFLOWS", "Shape"]
