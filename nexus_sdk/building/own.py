"""Our own files: `nexus_sdk` and the platform's package, from wherever they are imported.

An installed wheel and a checkout give the same: the files of the packages, and the metadata that names the version and
the providers. The one rule: what no function imports (the command line, testing, building) stays at home, unless the
project mentions it. That nothing else needs it is a contract of layers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from nexus_sdk.building.requirements import DISTRIBUTION
from nexus_sdk.building.target import Target
from nexus_sdk.errors import BuildError

METADATA = ("METADATA", "entry_points.txt", "licenses/LICENSE")
"""What is kept of the distribution's metadata."""


def own_files(target: Target, mentioned: Collection[str]) -> Mapping[str, Path]:
    """Each of our files by its path in the artifact.

    Args:
        mentioned: dotted names of modules that the project imports.

    Raises:
        BuildError: a package is not here.
    """
    left_out = {name for name in target.left_out if not any(_is_within(module, name) for module in mentioned)}
    files: dict[str, Path] = {}
    for package in ("nexus_sdk", *target.packages):
        files |= _package(package, left_out)
    distribution = metadata.distribution(DISTRIBUTION)
    for name in METADATA:
        path = Path(str(distribution.locate_file(f"nexus_sdk-{distribution.version}.dist-info/{name}")))
        if path.is_file():
            files[f"nexus_sdk-{distribution.version}.dist-info/{name}"] = path
    return files


def _package(package: str, left_out: Collection[str]) -> Mapping[str, Path]:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise BuildError(
            f"The package {package} is not here, and the artifact needs it.", hint="Install nexus-sdk again."
        )
    folder = Path(found.origin).parent
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder.parent).as_posix()
        module = name.removesuffix(".py").replace("/", ".")
        if path.is_file() and path.suffix == ".py" and not any(_is_within(module, one) for one in left_out):
            files[name] = path
    return files


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
