"""Platforms: what runs a program in some cloud. Installed packages offer them; the command line knows none by itself.

An entry point of the group `nexus_sdk.platforms`, named as it is typed (``aws``), gives a `Platform`. The one rule:
whatever is particular to a cloud is behind these two protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from nexus_sdk.building.archive import Archive
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Setting, Settings
from nexus_sdk.building.target import Target
from nexus_sdk.errors import PlatformMissing

GROUP = "nexus_sdk.platforms"
"""The entry-point group of platforms."""

Say = Callable[[str], None]
"""Tells how far something has come, a line at a time."""


class Action(StrEnum):
    """What becomes of a resource."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one resource: its kind as the platform calls it, its name, and what of it is changed."""

    action: Action
    kind: str
    name: str
    what: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As data."""
        return {"action": str(self.action), "kind": self.kind, "name": self.name, "what": list(self.what)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do.

    Attributes:
        title: what the deployment is called.
        place: where it is: account and region.
        is_new: nothing is deployed under this title yet.
        changes: none: what is deployed is what would be.
    """

    title: str
    place: str
    is_new: bool
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is deployed.

    Attributes:
        url: where requests go; empty for none.
        store: the URL of its store, for `--store`.
        request: a command that makes a first request over HTTP; empty for none.
        outputs: all that the platform tells.
    """

    title: str
    place: str
    url: str
    store: str
    request: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a deployment has left behind: what holds data, by what it is, and what was erased of it."""

    title: str
    place: str
    was_there: bool
    kept: Sequence[str]
    erased: Sequence[str]


class Deployment(Protocol):
    """One deployment of a program: what is deployed under a title, in the account and region of whoever asks."""

    def plan(self) -> Plan:
        """What `apply` would do. Nothing is changed.

        Raises:
            DeployError: it cannot be done.
        """

    def apply(self, say: Say) -> Deployed:
        """Make what is deployed what it should be, and wait until it is. Idempotent.

        Raises:
            DeployError: it is as it was before.
        """

    def store_url(self) -> str | None:
        """The store of what is deployed now; None: nothing is.

        Raises:
            DeployError: who asks may not look, or what is deployed is another program's.
        """

    def destroy(self, say: Say, *, deletes_data: bool) -> Destroyed:
        """Take away what is deployed. Idempotent.

        Args:
            deletes_data: what holds data is erased, too; otherwise it is kept, and found again by a later `apply`.

        Raises:
            DeployError: something is still there.
        """


class Platform(Protocol):
    """A cloud, as a place for programs.

    Attributes:
        name: as it is typed.
        title: as it is written.
        settings: what may be set of a deployment.
    """

    name: str
    title: str
    settings: Sequence[Setting]

    def target(self, settings: Settings) -> Target:
        """What the artifact is built for."""

    def write_template(self, program: Program, settings: Settings, archive: Archive, folder: Path) -> Path:
        """Write what describes the deployment of an artifact, in the platform's own language."""

    def deployment(self, program: Program, settings: Settings, archive: Archive | None) -> Deployment:
        """The deployment of a program. Without an artifact it can only be looked at and destroyed."""


def find_platform(name: str) -> Platform:
    """The platform of a name.

    Raises:
        PlatformMissing: none that is installed is called so.
    """
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise PlatformMissing(
            f"Nothing that is installed builds for {name!r}.",
            hint=f"There is: {', '.join(sorted(found)) or 'nothing'}.",
        )
    try:
        platform: Platform = found[name].load()
    except ImportError as error:
        raise PlatformMissing(f"The platform {name!r} cannot be imported: {error}.") from None
    return platform
