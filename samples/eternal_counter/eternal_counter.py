"""A workflow without an end: it counts what events tell it, and begins a fresh history now and then.

$ nexus start eternal_counter:count --id turnstile
$ nexus event turnstile add 2
$ nexus query turnstile total --app eternal_counter
"""

from nexus_sdk import Context, PayloadError, workflow


@workflow
async def count(ctx: Context, total: int = 0, events_per_run: int = 1_000):
    """Add up the numbers that events called `add` bring, for ever.

    Args:
        total: where it begins; handed from run to run.
        events_per_run: a history grows with each event, and is replayed from its beginning. So it is kept short.
    """
    # A query sees the variable, so always the latest value. It may be asked at any time, also while no worker runs.
    ctx.on_query("total", lambda: total)
    for _ in range(events_per_run):
        try:
            total += yield ctx.wait_for_event("add", int)
        except PayloadError as error:
            # What lives for ever must not die of one bad event. It is consumed, and the next one is waited for.
            ctx.log.warning("not a number", because=error.message)
        ctx.set_status({"total": total})
    # The next run has the same id and only these arguments. Events that were sent meanwhile go along, in order: none
    # is lost, none counts twice.
    yield ctx.continue_as_new(total, events_per_run)
