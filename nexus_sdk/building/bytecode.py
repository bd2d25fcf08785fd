"""Bytecode that goes with the source, so that a cold start compiles nothing.

It names its source by where the artifact is unpacked, and is used whatever the time stamps say ("unchecked-hash"). It
is made in a process of its own with a fixed hash seed: the same source gives the same bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nexus_sdk.building.program import running_python
from nexus_sdk.building.target import Target


def compile_all(folder: Path, target: Target) -> bool:
    """Compile everything in a folder. False: this interpreter is not the target's, and cannot."""
    if target.python != running_python():
        return False
    command = [
        *(sys.executable, "-I", "-m", "compileall", "-q", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", target.root, str(folder)),
    ]
    # A file that does not compile is left as it is: packages carry templates and tests for other versions of Python.
    subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    return True
