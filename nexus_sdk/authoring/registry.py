"""Registries: what an app serves. Nothing is registered globally."""

from __future__ import annotations

import difflib
import hashlib
import inspect
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError


class Registry:
    """Workflows by name and version, activities by name.

    Raises:
        DefinitionError: two definitions of one name and version, or something that is no definition.
    """

    def __init__(
        self, workflows: Iterable[Workflow[Any, Any]] = (), activities: Iterable[Activity[Any, Any]] = ()
    ) -> None:
        self._workflows: dict[tuple[str, str], Workflow[Any, Any]] = {}
        self._activities: dict[str, Activity[Any, Any]] = {}
        for workflow in _listed(workflows, "workflows"):
            self._add_workflow(workflow)
        for activity in _listed(activities, "activities"):
            self._add_activity(activity)
        for activity in list(self._activities.values()):
            self._add_compensation(activity)

    @property
    def workflows(self) -> Mapping[tuple[str, str], Workflow[Any, Any]]:
        """By (name, version)."""
        return self._workflows

    @property
    def activities(self) -> Mapping[str, Activity[Any, Any]]:
        """By name."""
        return self._activities

    @cached_property
    def task_queues(self) -> frozenset[str]:
        """The queues that the activities name."""
        return frozenset(a.activity_options.task_queue for a in self._activities.values()) | {"default"}

    def workflow(self, name: str, version: str) -> Workflow[Any, Any] | None:
        """The definition, None where this app does not serve it."""
        return self._workflows.get((name, version))

    def latest(self, name: str) -> Workflow[Any, Any]:
        """The definition of this name that was registered last.

        Raises:
            DefinitionError: unknown; the message names what is near.
        """
        found = [workflow for (known, _), workflow in self._workflows.items() if known == name]
        if not found:
            names = sorted({known for known, _ in self._workflows})
            raise DefinitionError(f"no workflow is called {shown(name)}.", hint=near(name, names))
        return found[-1]

    def activity(self, name: str) -> Activity[Any, Any] | None:
        """The definition, None where this app does not serve it."""
        return self._activities.get(name)

    @cached_property
    def build(self) -> str:
        """A digest of the source files that the workflows are defined in: the same code, the same build."""
        digest = hashlib.sha256()
        files = sorted({inspect.getsourcefile(w.fn) or "" for w in self._workflows.values()})
        for file in files:
            digest.update(_bytes_of(file))
        for key in sorted(self._workflows):
            digest.update(repr(key).encode())
            digest.update(self._workflows[key].fn.__code__.co_code)
        return digest.hexdigest()[:16]

    def _add_workflow(self, workflow: Any) -> None:
        if not isinstance(workflow, Workflow):
            raise DefinitionError(
                f"workflows= takes what @workflow made, got {shown(workflow)}.", hint=_belongs(workflow, "@workflow")
            )
        key = (workflow.name, workflow.version)
        known = self._workflows.setdefault(key, workflow)
        if known.fn is not workflow.fn:
            raise DefinitionError(
                f"two workflows are called {workflow.name!r} in version {workflow.version!r}.",
                hint='Rename one, or give it another version: @workflow(version="2").',
            )

    def _add_activity(self, activity: Any) -> None:
        if not isinstance(activity, Activity):
            raise DefinitionError(
                f"activities= takes what @activity made, got {shown(activity)}.", hint=_belongs(activity, "@activity")
            )
        known = self._activities.setdefault(activity.name, activity)
        if known.fn is not activity.fn:
            raise DefinitionError(
                f"two activities are called {activity.name!r}.", hint='Rename one: @activity(name="…").'
            )

    def _add_compensation(self, activity: Activity[Any, Any]) -> None:
        undo = activity.compensate
        if undo is not None and undo.name not in self._activities:
            self._add_activity(undo)
            self._add_compensation(undo)


def near(name: str, known: Iterable[str]) -> str:
    """A hint that names what may have been meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return f"Known: {', '.join(map(repr, names[:8]))}." if names else "None is registered."


def _listed(definitions: Any, option: str) -> Iterable[Any]:
    if isinstance(definitions, str) or not isinstance(definitions, Iterable):
        raise DefinitionError(
            f"{option}= takes a list of definitions, got {shown(definitions)}.", hint=f"Nexus(…, {option}=[…])"
        )
    return definitions


def _belongs(what: Any, decorator: str) -> str:
    if isinstance(what, Activity):
        return "That is an activity: name it in activities=[…]."
    if isinstance(what, Workflow):
        return "That is a workflow: name it in workflows=[…]."
    return f"Decorate it with {decorator}."


def _bytes_of(file: str) -> bytes:
    try:
        with open(file, "rb") as source:
            return source.read()
    except OSError:  # defined in a console or a zip: the byte code has to do
        return b""
