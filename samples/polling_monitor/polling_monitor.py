"""Poll something that cannot call you: look, sleep a little longer each time, stop when it is so or too late.

$ nexus run polling_monitor:follow_parcel --input '{"parcel": "parcel-1"}'
"""

from pathlib import Path

from nexus_sdk import ActivityFailed, Context, Retry, WaitTimedOut, activity, workflow


@activity(timeout="10s", retry=Retry(max_attempts=3, initial="500ms"))
def look_up(parcel: str) -> str:
    """Ask the carrier where it is. This carrier writes it into a file; before that it knows nothing."""
    desk = Path(f"{parcel}.txt")
    place = desk.read_text(encoding="utf-8").strip() if desk.exists() else "announced"
    print(parcel, "is", place)
    return place


@workflow
async def follow_parcel(
    ctx: Context, parcel: str, first: float = 60.0, longest: float = 3_600.0, patience: str = "14d"
) -> dict[str, str | int]:
    """Follow a parcel until it is delivered or has got lost.

    Args:
        first: seconds between the first two looks; each pause is half as long again as the one before.
        longest: no pause is longer.
        patience: after so long it is lost.
    """
    looks, place, pause = 0, "unknown", first
    ctx.on_query("progress", lambda: {"place": place, "looks": looks, "pause": pause})
    try:
        # One limit around everything. 14 days of hourly looks are some 350 looks: a history of that length is fine.
        # What polls for years continues as a new run now and then: see eternal_counter.
        async with ctx.timeout(patience):
            while True:
                looks += 1
                try:
                    place = await look_up(parcel)
                except ActivityFailed as failure:
                    # The carrier is down, and the retries did not outlast it: the next look may.
                    ctx.log.warning("the carrier does not answer", parcel=parcel, because=failure.message)
                if place == "delivered":
                    break
                ctx.set_status(f"{place}; look {looks + 1} follows in {pause:g} s")
                await ctx.sleep(pause)  # costs nothing while it lasts: no thread, no process need be there
                pause = min(pause * 1.5, longest)
    except WaitTimedOut:
        place = "lost"
    ctx.set_status(place)
    return {"parcel": parcel, "place": place, "looks": looks}
