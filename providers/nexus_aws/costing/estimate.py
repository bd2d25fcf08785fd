"""An estimate for AWS: a run that was counted, a month in which nothing runs, and the same work elsewhere."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files

from nexus_aws.costing.elsewhere import GB, durable_functions, step_functions
from nexus_aws.costing.metered import InMemory, Metered
from nexus_aws.costing.playing import LOG_BYTES, Played, Playing
from nexus_aws.costing.services import MemoryServices
from nexus_sdk.costing.comparing import Offer
from nexus_sdk.costing.estimate import HOURS_A_MONTH, Assumptions, Counted, Estimate
from nexus_sdk.costing.prices import PriceTable, read_table
from nexus_sdk.costing.rehearsal import Case, Rehearsal
from nexus_sdk.costing.usage import times, together
from nexus_sdk.costing.work import Work, work_of
from nexus_sdk.replay.recorded import load_recording

POLLERS = 5
"""So many long polls AWS keeps open on a queue that invokes a function, as users have counted them."""

POLL_SECONDS = 20
SWEEPS_A_MONTH = HOURS_A_MONTH * 60
ALARMS = 5
"""So many come with what `nexus deploy aws` makes."""

DEPLOYED_SECONDS = 60
"""So long an invocation may take, unless it is deployed otherwise."""

INVOCATION_SECONDS_MAX = 900
"""So long at most."""


class Aws:
    """See `nexus_sdk.costing.estimate.Cloud`."""

    @cached_property
    def prices(self) -> PriceTable:
        """See `Cloud.prices`."""
        return read_table((files("nexus_aws.costing") / "prices.json").read_text(encoding="utf-8"))

    async def estimate(self, case: Case, assumptions: Assumptions) -> Estimate:
        """See `Cloud.estimate`."""
        services = InMemory()
        with Rehearsal(case, activity_seconds=assumptions.activity_ms / 1_000) as rehearsal:
            metered = Metered(services, rehearsal.clock, request_seconds=assumptions.request_ms / 1_000)
            playing = Playing(case, rehearsal, metered, assumptions)
            try:
                played = await playing.play()
                status, _ = await rehearsal.timed(playing.looking.get(case.instance_id).status())
                stored = _stored(services.services, assumptions)
                work = await _work(playing, rehearsal, played.instance_ids)
                purged = await playing.purge(played.instance_ids)
            finally:
                await playing.close()
            queues = len(playing.app.registry.task_queues) + 1
            kept = times(played.kept, assumptions.keep_days * 24 * 60)
            ours = Offer("NEXUS", together([played.used, kept, stored, purged]), _a_month(played, queues))
            return Estimate(
                Counted(work, played.requests, played.invocations, played.seconds, status),
                ours,
                (
                    step_functions(work, assumptions, log_bytes=LOG_BYTES),
                    durable_functions(work, assumptions, worked_us=rehearsal.worked_us, log_bytes=LOG_BYTES),
                ),
                _assumed(assumptions, played, queues),
            )


async def _work(playing: Playing, rehearsal: Rehearsal, instance_ids: tuple[str, ...]) -> Work:
    runs = []
    for instance_id in instance_ids:
        recording, _ = await rehearsal.timed(load_recording(playing.outside, instance_id))
        runs += [run.batches for run in recording.runs]
    return work_of(runs)


def _stored(services: MemoryServices, assumptions: Assumptions) -> dict[str, float]:
    months = assumptions.keep_days * 24 / HOURS_A_MONTH
    table, bucket = services.table.stored_bytes / GB * months, services.bucket.stored_bytes / GB * months
    stored = {"dynamodb.storage_gb_month": table, "dynamodb.backup_gb_month": table}
    return stored | ({"s3.storage_gb_month": bucket} if bucket else {})


def _a_month(played: Played, queues: int) -> dict[str, float]:
    """What is used in a month in which nothing runs."""
    polls = queues * POLLERS * HOURS_A_MONTH * 3_600 / POLL_SECONDS
    fixed = {"scheduler.invocation": SWEEPS_A_MONTH, "sqs.request": polls, "alarm.month": float(ALARMS)}
    return together([times(played.idle, SWEEPS_A_MONTH), fixed])


def _assumed(assumptions: Assumptions, played: Played, queues: int) -> tuple[str, ...]:
    said = [
        f"an activity takes {assumptions.activity_ms:g} ms, a request to a service {assumptions.request_ms:g} ms, "
        f"an invocation {assumptions.overhead_ms:g} ms beside; {assumptions.memory_mb} MB of memory, x86",
        f"a finished run is kept for {assumptions.keep_days:g} days, with point-in-time recovery, and then purged",
        "one warm container, which the schedule keeps warm; no cold starts, no contention between runs",
        f"a month in which nothing runs, once for all workflows of an app: a call of the schedule each minute, "
        f"{POLLERS} long polls of {POLL_SECONDS} s on each of {queues} queues, {ALARMS} alarms",
        "no free tier, discount or tax; no data that leaves the region; not what activities themselves ask for",
    ]
    seconds = played.longest_ms / 1_000
    if seconds > INVOCATION_SECONDS_MAX:
        said.append(
            f"an invocation would take {seconds:,.0f} s, and Lambda allows {INVOCATION_SECONDS_MAX} s: such activities "
            "belong to a worker"
        )
    elif seconds > DEPLOYED_SECONDS:
        said.append(f"an invocation takes {seconds:,.0f} s: the function has to be deployed with a longer timeout")
    return tuple(said)
