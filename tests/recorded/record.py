"""Record histories for the corpus, and review what differs from those that are there: ``make record``.

    python tests/recorded/record.py                    record every scene, compare with the corpus, change nothing
    python tests/recorded/record.py hello --accept     keep what is new or differs

Nothing that is in the corpus is ever overwritten or deleted: a scene that comes to another history today is kept beside
the one before. A history that no longer replays is a change that breaks instances in production.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from nexus_sdk.cli.timeline import rows_of  # noqa: E402  # the path comes first
from nexus_sdk.codec.values import MsgpackCodec  # noqa: E402
from nexus_sdk.core.history import FORMAT  # noqa: E402
from nexus_sdk.core.payload import Codec  # noqa: E402
from nexus_sdk.replay.recorded import Recording, read_recording, recording_to_text  # noqa: E402
from tests.recorded.scenes import SCENES, Scene, recorded  # noqa: E402

CORPUS = Path(__file__).parent

RANDOM = re.compile(r"\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b")
"""Ids that may differ from recording to recording."""


def editions_of(scene: Scene, instance_id: str) -> list[Path]:
    """The files that hold recordings of an instance of a scene, in any format, the oldest first."""
    name = _file_name(instance_id)
    found = [*CORPUS.glob(f"format-*/{scene.name}/{name}.json"), *CORPUS.glob(f"format-*/{scene.name}/{name}~*.json")]
    return sorted(found, key=lambda path: (path.parent.parent.name, len(path.name), path.name))


def lines_of(recording: Recording, codec: Codec) -> list[str]:
    """A recording for the eyes of whoever reviews it: a line per event, without what differs each time."""
    lines = []
    for run in recording.runs:
        lines.append(f"--- run {run.number} of {recording.instance_id}")
        for row in rows_of(run.batches, codec.bound_to(recording.instance_id)):
            text = f"{row.number:>4} {row.event:<22} {row.operation:<20} {row.site:<26} {row.detail}"
            lines.append(RANDOM.sub("…", text).rstrip())
    return lines


def is_alike(before: list[str], now: list[str], scene: Scene) -> bool:
    """Whether two recordings are of the same history, as far as a person can see."""
    if not scene.is_in_any_order:
        return before == now
    return sorted(line[5:] for line in before) == sorted(line[5:] for line in now)


async def review(scene: Scene, *, is_accepted: bool) -> list[str]:
    """Record a scene; what is new or differs, in words and as a diff."""
    codec = scene.codec or MsgpackCodec()
    said: list[str] = []
    for instance_id, recording in (await recorded(scene)).items():
        now = lines_of(recording, codec)
        editions = editions_of(scene, instance_id)
        if any(is_alike(lines_of(read_recording(path), codec), now, scene) for path in editions):
            continue
        path = CORPUS / f"format-{FORMAT}" / scene.name / _next_name(instance_id, editions)
        verb = "kept" if is_accepted else "not kept yet"
        said.append(f"{'new' if not editions else 'another history'}: {path.relative_to(CORPUS)} ({verb})")
        before = lines_of(read_recording(editions[-1]), codec) if editions else []
        named = str(editions[-1].relative_to(CORPUS)) if editions else "nothing"
        said += difflib.unified_diff(before, now, named, "now", lineterm="", n=2)
        if is_accepted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(recording_to_text(recording, codec=codec.bound_to(instance_id)) + "\n", encoding="utf-8")
    return said


def _next_name(instance_id: str, editions: list[Path]) -> str:
    name = _file_name(instance_id)
    return f"{name}.json" if not editions else f"{name}~{len(editions) + 1}.json"


def _file_name(instance_id: str) -> str:
    return re.sub(r"[^\w.-]", "_", instance_id)


def main() -> int:
    """Record and review; 1 when something differs that was not accepted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", help="only these; all by default")
    parser.add_argument("--accept", action="store_true", help="keep what is new or differs")
    options = parser.parse_args()
    unknown = set(options.scenes) - {scene.name for scene in SCENES}
    if unknown:
        parser.error(f"no scene is called {', '.join(sorted(unknown))}")
    has_news = False
    for scene in SCENES:
        if not options.scenes or scene.name in options.scenes:
            said = asyncio.run(review(scene, is_accepted=options.accept))
            print(f"{scene.name}: {'as recorded' if not said else ''}")
            print(*said, sep="\n", end="\n" if said else "")
            has_news = has_news or bool(said)
    return 1 if has_news and not options.accept else 0


if __name__ == "__main__":
    raise SystemExit(main())
