"""`python -m benchmarks beside PATH`: our workloads in a harness that runs other engines, in turn with them.

The harness is a folder with a `run.py` that lists cases and runs ``peer_NAME.py`` with the Python of ``venv-NAME``,
which is under ``$PERF``. It is left as it is: a copy of it gets our peer and our cases.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

PEER = Path(__file__).with_name("peer_nexus.py")
CASES = """
for n in (100, 1000, 5000): c("nexus", "nexus", f"W1/{n}", "--n", str(n))
for n in (100, 1000): c("nexus stateless", "nexus", f"W1/{n}", "--n", str(n), "--opt", "stateless=1")
for n in (1000, 10000): c("nexus", "nexus", f"W2/{n}", "--n", str(n))
c("nexus plain", "nexus", "W2/1000", "--n", "1000", "--opt", "plain=1")
c("nexus conc100", "nexus", "W3/1000", "--n", "1000")
for n in (1000, 10000, 50000): c("nexus", "nexus", f"W4/{n}", "--n", str(n))
c("nexus", "nexus", "W7/10000", "--n", "10000")

"""
BEFORE = "def main():"
"""Where the list of cases ends."""


def run(harness: Path, arguments: Sequence[str]) -> int:
    """Run a copy of the harness with ours among its peers; its exit code.

    Args:
        arguments: what its `run.py` takes. Its results are thrown away unless ``--out`` names a file.

    Raises:
        SystemExit: there is no such harness there.
    """
    program = harness / "run.py"
    if not program.is_file() or BEFORE not in program.read_text():
        raise SystemExit(f"{harness}: no harness: there is no run.py with a line {BEFORE!r}.")
    perf = Path(os.environ.get("PERF") or Path.home() / ".cache" / "nexus-bench")
    _lend_our_python(perf / "venv-nexus")
    with TemporaryDirectory(prefix="nexus-bench-") as folder:
        copied = Path(folder) / "harness"
        shutil.copytree(harness, copied)
        for path in (copied, *copied.iterdir()):
            path.chmod(path.stat().st_mode | 0o200)
        shutil.copy(PEER, copied / PEER.name)
        (copied / "run.py").write_text(program.read_text().replace(BEFORE, CASES + BEFORE, 1))
        out = (
            [] if any(argument.startswith("--out") for argument in arguments) else ["--out", f"{folder}/results.jsonl"]
        )
        command = [sys.executable, "run.py", *arguments, *out]
        return subprocess.run(command, cwd=copied, env={**os.environ, "PERF": str(perf)}).returncode


def _lend_our_python(venv: Path) -> None:
    """Let the harness find the environment that this runs in, unless it has one for us."""
    if not venv.exists():
        venv.parent.mkdir(parents=True, exist_ok=True)
        venv.symlink_to(sys.prefix)
