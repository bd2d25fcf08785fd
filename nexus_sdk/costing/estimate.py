"""The port of the clouds: what an estimate is asked for, and what comes of it.

An entry point of the group `nexus_sdk.costing`, named like the cloud, is a `Cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol

from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.costing.comparing import Offer
from nexus_sdk.costing.prices import PriceTable
from nexus_sdk.costing.rehearsal import Case
from nexus_sdk.costing.work import Work
from nexus_sdk.errors import ProviderMissing

GROUP = "nexus_sdk.costing"
"""The entry-point group of clouds whose costs can be estimated."""

HOURS_A_MONTH = 730.0
"""As the clouds' own calculators have it."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What cannot be counted.

    Attributes:
        activity_ms: how long an activity takes.
        request_ms: how long a service takes to answer.
        overhead_ms: how long an invocation takes beside both.
        memory_mb: of the function.
        keep_days: how long a finished run is kept before it is purged.
    """

    activity_ms: float = 100.0
    request_ms: float = 10.0
    overhead_ms: float = 10.0
    memory_mb: int = 1_024
    keep_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run was counted to be.

    Attributes:
        work: what it did.
        requests: to each service, by operation.
        invocations: how many, by what caused them.
        seconds: from the start to the end, on the clock of the run.
        status: how it ended.
    """

    work: Work
    requests: Mapping[str, float]
    invocations: Mapping[str, int]
    seconds: float
    status: InstanceStatus


@dataclass(frozen=True, slots=True)
class Estimate:
    """What comes of it.

    Attributes:
        ours: what NEXUS costs; `others`: what else there is on this cloud, for the same work.
        assumptions: what the figures rest on, a sentence each.
    """

    counted: Counted
    ours: Offer
    others: tuple[Offer, ...]
    assumptions: tuple[str, ...] = field(default=())


class Cloud(Protocol):
    """A cloud whose costs can be estimated."""

    @property
    def prices(self) -> PriceTable:
        """Its own price table."""

    async def estimate(self, case: Case, assumptions: Assumptions) -> Estimate:
        """Run the case once on services in memory, and count.

        Raises:
            NothingIsDue: it is blocked, or waits for something that nobody brings about.
            ClockRunsAway: it comes to no end.
        """


def find_cloud(name: str) -> Cloud:
    """The cloud of this name.

    Raises:
        ProviderMissing: nothing that is installed estimates its costs.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ProviderMissing(
            f"Nothing that is installed knows what things cost on {name!r}.", hint=f"There are: {known}."
        )
    cloud: Cloud = found[name].load()
    return cloud
