"""The built wheel in an empty environment: alone, and with the extra that the command line needs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
REQUIRED = os.environ.get("NEXUS_REQUIRE_COMPONENTS") == "1"

pytestmark = pytest.mark.timeout(400)


def call(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEXUS_", "PYTHON", "COVERAGE", "PYTEST"))}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


class Installed:
    """An environment with nothing but the wheel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dist = folder / "dist"
        built = call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, cwd=ROOT)
        assert built.returncode == 0, built.stdout + built.stderr
        (self.wheel,) = dist.glob("*.whl")
        venv.create(folder / "venv", with_pip=False)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.work = folder / "work"
        self.work.mkdir()
        self.install(str(self.wheel))

    def install(self, what: str) -> None:
        pip = call(
            sys.executable, "-m", "pip", "--python", self.bin / "python", "--disable-pip-version-check",
            "install", "--quiet", what, cwd=self.folder,
        )  # fmt: skip
        if pip.returncode and not REQUIRED:
            pytest.skip(f"pip cannot install the wheel's dependencies here: {pip.stderr.strip()[-200:]}")
        assert pip.returncode == 0, pip.stderr

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        return call(self.bin / "python", "-c", code, cwd=self.work)

    def nexus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call(self.bin / "nexus", *arguments, cwd=self.work)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


def sample_of_the_readme() -> tuple[str, list[str]]:
    """Its first program, and the arguments of the first command that runs it. Only the nap in it is shortened."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(# parcel\.py\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    command = re.search(r"^\$ nexus (run parcel:.*?) &$", page, re.MULTILINE)
    assert program is not None
    assert command is not None
    shortened = program[1].replace('ctx.sleep("20s")', 'ctx.sleep("20ms")')
    assert shortened != program[1]
    return shortened, shlex.split(command[1])


def test_the_wheel_holds_the_package_and_nothing_beside(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nexus_sdk", "nexus_aws"}
    assert "nexus_sdk/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or "test_" in name]


def test_alone_it_imports_runs_a_workflow_and_says_what_the_command_line_needs(installed: Installed) -> None:
    """Before the extra is installed: `test_with_the_extra…` below comes after it in this file, and in this process."""
    program, command = sample_of_the_readme()
    (installed.work / "parcel.py").write_text(program, encoding="utf-8")
    imported = installed.python(
        "import nexus_sdk, parcel; print(nexus_sdk.Nexus.from_module(parcel).registry is not None)"
    )
    assert (imported.stdout, imported.stderr) == ("True\n", "")
    told = installed.nexus(*command)
    assert told.returncode == 2
    assert told.stderr == 'The command line needs its extra: pip install "nexus-sdk[cli]"\n'
    from_testing = installed.python(
        "from nexus_sdk import workflow, Context\n"
        "import asyncio\n"
        "from nexus_sdk.testing import WorkflowEnvironment\n"
        "@workflow\n"
        "async def nap(ctx: Context):\n"
        "    yield ctx.sleep('720h')\n"
        "    yield ctx.complete('rested')\n"
        "async def main():\n"
        "    async with WorkflowEnvironment(workflows=[nap]) as env:\n"
        "        print(await (await env.start(nap)).result())\n"
        "asyncio.run(main())\n"
    )
    assert (from_testing.stdout, from_testing.stderr) == ("rested\n", "")


def test_with_the_extra_a_sample_copied_out_of_the_docs_runs(installed: Installed) -> None:
    installed.install(f"{installed.wheel}[cli]")
    program, command = sample_of_the_readme()
    (installed.work / "parcel.py").write_text(program, encoding="utf-8")
    ran = installed.nexus(*command)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == '"Ada has a box with a lamp"'
    assert (installed.work / "nexus.db").exists()
    assert installed.nexus("doctor").returncode == 0
