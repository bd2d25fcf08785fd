"""`build`: from a program to a zip. The same tree and the same installed versions give the same bytes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nexus_sdk.building.archive import Archive, write_archive
from nexus_sdk.building.bytecode import compile_all
from nexus_sdk.building.dependencies import Run, install
from nexus_sdk.building.own import own_files
from nexus_sdk.building.program import Program
from nexus_sdk.building.requirements import Requirements, requirements_of
from nexus_sdk.building.source import Import, project_of
from nexus_sdk.building.target import Target
from nexus_sdk.errors import BuildError

OURS = "nexus-sdk"


def build(program: Program, target: Target, path: Path, *, run: Run | None = None) -> Archive:
    """Pack a program, what it requires, and our code.

    Args:
        path: of the zip.
        run: runs the command that installs.

    Raises:
        BuildError: something is missing, does not fit, or is too large; the message says what.
    """
    project = project_of(program)
    requirements = requirements_of(program, target.provided, target.extras_left_out)
    with tempfile.TemporaryDirectory(prefix="nexus-build-") as temporary:
        stage = Path(temporary, "stage")
        owners = dict(install(requirements, target, stage, run=run))
        _check_found(project.needed, stage, target, requirements, program)
        _copy(own_files(target, project.mentioned), stage, OURS, owners)
        _copy(project.files, stage, program.module.partition(".")[0], owners)
        compile_all(stage, target)
        archive = write_archive(stage, path, owners)
    _check_size(archive, target)
    return archive


def _copy(files: Mapping[str, Path], stage: Path, part: str, owners: dict[str, str]) -> None:
    for name, source in sorted(files.items()):
        place = stage / name
        if name in owners:
            raise BuildError(
                f"{name} is in {owners[name]} and in {part}: only one of them can be packed.", hint="Rename yours."
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        owners[name] = part


def _check_found(
    needed: Sequence[Import], stage: Path, target: Target, requirements: Requirements, program: Program
) -> None:
    """Refuse an artifact whose import is bound to fail."""
    known = {"nexus_sdk", *target.packages, *(name.replace("-", "_") for name in target.provided)}
    for one in needed:
        top = one.name.partition(".")[0]
        is_there = (stage / top).is_dir() or next(stage.glob(f"{top}.*"), None) is not None
        if top in known or top in sys.builtin_module_names or is_there:
            continue
        where = requirements.origin or f"requirements.txt in {program.root}"
        raise BuildError(
            f"{one.place} imports {top!r}, which is no file of the project and comes with nothing that it requires.",
            hint=f"Add what brings it to {where}.",
        )


def _check_size(archive: Archive, target: Target) -> None:
    limits = (
        (archive.packed_bytes, target.packed_bytes_max, "packed"),
        (archive.unpacked_bytes, target.unpacked_bytes_max, "unpacked"),
    )
    for size, most, how in limits:
        if size > most:
            largest = ", ".join(f"{part.name} {part.unpacked_bytes / 1e6:.1f} MB" for part in archive.parts[:3])
            raise BuildError(
                f"The artifact has {size / 1e6:.1f} MB {how}, and the platform takes {most / 1e6:.0f} MB.",
                hint=f"The largest parts, unpacked: {largest}.",
            )
