"""Archive a directory: hash, compress and store every file by its contents, write a manifest, and verify it all.

    nexus run archive_tree:archive_tree --input '{"source": "photos", "target": "archive"}'

Kill it at any instant and run it again with the id it printed: it goes on. The history stays short, whatever the size
of the tree: file names and hashes go to files in the target, the workflow only learns numbers; and after
CHUNKS_PER_RUN portions it continues as a new run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import archive_files as files

from nexus_sdk import ApplicationError, Context, Retry, activity, activity_info, heartbeat, workflow

CHUNKS_PER_RUN = 1_000
HEARTBEAT_SECONDS = 2.0
PACE_SECONDS = float(os.environ.get("ARCHIVE_TREE_PACE", "0"))
"""For demonstrations: so long is waited before each file."""

STUBBORN = Retry(max_attempts=5, initial="500ms")


@dataclass
class Counts:
    """How much of what: of one portion, or of all."""

    files: int = 0
    bytes: int = 0
    compressed_bytes: int = 0
    links: int = 0
    directories: int = 0
    skipped: int = 0

    def add(self, more: Counts) -> None:
        """Count these too."""
        for name, number in asdict(more).items():
            setattr(self, name, getattr(self, name) + number)


@dataclass
class Plan:
    """What the walk has found: a listing in so many portions."""

    listing: str
    chunks: int
    files: int
    bytes: int


@dataclass
class Progress:
    """How far the workflow has come; handed from run to run."""

    phase: str = "walking"
    next_chunk: int = 0
    plan: Plan | None = None
    stored: Counts | None = None
    verified: Counts | None = None


# --- the workflow -----------------------------------------------------------------------------------------------------


@workflow
async def archive_tree(
    ctx: Context,
    source: str,
    target: str,
    exclude: list[str] | None = None,
    concurrency: int = 4,
    progress: Progress | None = None,
):
    """Archive `source` in `target`; the numbers.

    Args:
        exclude: patterns of names that are left out, e.g. ``.git``.
        concurrency: so many portions are worked on at a time.
        progress: filled in by the workflow itself when it continues as a new run.
    """
    here = progress or Progress(stored=Counts(), verified=Counts())
    stored, verified = here.stored or Counts(), here.verified or Counts()
    work = hashlib.sha256(ctx.instance_id.encode()).hexdigest()[:16]
    ctx.on_query("progress", lambda: {"phase": here.phase, "stored": asdict(stored), "verified": asdict(verified)})

    if here.plan is None:
        ctx.set_status({"walking": source})
        here.plan = yield walk(source, target, exclude or [], work)
        here.phase = "storing"
    plan = here.plan

    for phase, portion, sums in (("storing", store_files, stored), ("verifying", verify_files, verified)):
        if here.phase != phase:
            continue

        async def one(chunk: int, portion=portion, sums=sums) -> None:
            sums.add(await portion(source, target, work, plan.listing, chunk))
            ctx.set_status(_said(here.phase, sums, plan))

        while here.next_chunk < plan.chunks:
            page = range(here.next_chunk, min(here.next_chunk + CHUNKS_PER_RUN, plan.chunks))
            yield ctx.map(one, page, concurrency=concurrency)
            here.next_chunk = page.stop
            if here.next_chunk < plan.chunks:
                so_far = Progress(here.phase, here.next_chunk, plan, stored, verified)
                yield ctx.continue_as_new(source, target, exclude, concurrency, so_far)
        here.phase, here.next_chunk = "verifying" if phase == "storing" else "ending", 0

    manifest = yield write_manifest(target, work, plan.chunks)
    counted = Counts(**manifest.pop("counts"))
    if not counted == stored == verified:
        raise ApplicationError(f"the numbers do not add up: {stored}, {verified}, {counted}", type="ArchiveDamaged")
    yield tidy(target, work)
    ctx.set_status(_said("archived", stored, plan))
    yield ctx.complete({**asdict(stored), **manifest})


def _said(phase: str, sums: Counts, plan: Plan) -> dict[str, str | int]:
    """The custom status: what a person wants to read while waiting."""
    done = sums.files + sums.skipped
    said: dict[str, str | int] = {
        phase: f"{min(done, plan.files):,} of {plan.files:,} files",
        "read": f"{sums.bytes / 1e6:,.1f} of {plan.bytes / 1e6:,.1f} MB",
    }
    return {**said, "skipped": sums.skipped} if sums.skipped else said


# --- activities -------------------------------------------------------------------------------------------------------
# Each may run more than once: what it writes appears atomically, under a name that is the same every time.


@activity(retry=STUBBORN, heartbeat_timeout="1m")
def walk(source: str, target: str, exclude: list[str], work: str) -> Plan:
    """List the tree, in portions, into the target."""
    root, aim = Path(source), Path(target)
    if not root.is_dir():
        raise ApplicationError(f"{source!r} is not a directory", type="NoSuchDirectory", retryable=False)
    aim.mkdir(parents=True, exist_ok=True)
    if root.resolve() == aim.resolve():
        raise ApplicationError("source and target are the same directory", type="SameDirectory", retryable=False)
    listing = f"listing-{activity_info().attempt}"  # of its own: an attempt that was given up may still be writing
    shutil.rmtree(_work(target, work) / listing, ignore_errors=True)
    plan = Plan(listing, 0, 0, 0)
    alive = _alive()
    for chunk in files.chunks_of(files.walk_tree(root, aim, exclude)):
        alive()
        files.write_lines(_work(target, work) / listing / f"{plan.chunks:08}.jsonl", chunk)
        found = [entry for entry in chunk if entry["type"] == "file"]
        plan.chunks += 1
        plan.files += len(found)
        plan.bytes += sum(entry["size"] for entry in found)
    return plan


@activity(retry=STUBBORN, heartbeat_timeout="1m")
def store_files(source: str, target: str, work: str, listing: str, chunk: int) -> Counts:
    """Store the files of one portion, and write its part of the manifest."""
    folder, alive = _work(target, work), _alive()
    lines = []
    for entry in files.read_lines(folder / listing / f"{chunk:08}.jsonl"):
        if entry["type"] == "file":
            time.sleep(PACE_SECONDS)
            path = os.path.join(os.fsencode(source), files.path_of(entry))
            entry = files.store_file(path, entry, Path(target), folder / "scratch", alive)
        lines.append(entry)
    files.write_lines(_part(target, work, chunk), lines)
    return _count(lines)


@activity(retry=STUBBORN, heartbeat_timeout="1m")
def verify_files(source: str, target: str, work: str, listing: str, chunk: int) -> Counts:
    """Decompress the objects of one portion and compare them with its part of the manifest."""
    alive = _alive()
    lines = list(files.read_lines(_part(target, work, chunk)))
    for line in lines:
        if line["type"] == "file":
            try:
                files.check_object(Path(target), line, alive)
            except files.Damaged as damage:
                said = f"{damage}; remove it and archive the tree again"
                raise ApplicationError(said, type="ArchiveDamaged", retryable=False) from damage
    return _count(lines)


@activity(retry=STUBBORN)
def write_manifest(target: str, work: str, chunks: int) -> dict:
    """Join the parts to the manifest; its name, its hash and what it counts. `skipped_because`: the first few."""
    counts, because, digest = Counts(), [], hashlib.sha256()
    with files.appearing(Path(target) / "manifest.jsonl") as manifest:
        for chunk in range(chunks):
            lines = list(files.read_lines(_part(target, work, chunk)))
            counts.add(_count(lines))
            for line in lines:
                data = files.line_of(line)
                digest.update(data)
                manifest.write(data)
                if line["type"] == "skipped" and len(because) < 10:
                    shown = files.path_of(line).decode("utf-8", "backslashreplace")
                    because.append(f"{shown}: {line['reason']}")
    name = str(Path(target) / "manifest.jsonl")
    said = {"manifest": name, "manifest_sha256": digest.hexdigest(), "counts": asdict(counts)}
    return {**said, "skipped_because": because} if because else said


@activity(retry=STUBBORN)
def tidy(target: str, work: str) -> None:
    """Remove listing, parts and scratch files."""
    shutil.rmtree(_work(target, work), ignore_errors=True)
    with suppress(OSError):  # another run may still have its own in there
        _work(target, work).parent.rmdir()


def _work(target: str, work: str) -> Path:
    return Path(target) / "work" / work


def _part(target: str, work: str, chunk: int) -> Path:
    return _work(target, work) / "parts" / f"{chunk:08}.jsonl"


def _count(lines: list[files.Entry]) -> Counts:
    counts = Counts()
    for line in lines:
        match line["type"]:
            case "file":
                counts.files += 1
                counts.bytes += line["size"]
                counts.compressed_bytes += line["compressed"]
            case "link":
                counts.links += 1
            case "directory":
                counts.directories += 1
            case _:
                counts.skipped += 1
    return counts


def _alive() -> Callable[[], None]:
    """A heartbeat that may be called for every piece and is given every few seconds. It also delivers cancellation."""
    due = time.monotonic() + HEARTBEAT_SECONDS

    def alive() -> None:
        nonlocal due
        if time.monotonic() >= due:
            heartbeat()
            due = time.monotonic() + HEARTBEAT_SECONDS

    return alive
