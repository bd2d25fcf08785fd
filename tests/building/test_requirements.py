"""What is installed beside a program."""

from __future__ import annotations

import pytest

from nexus_sdk.building.requirements import Requirements, plain_name, requirements_of
from nexus_sdk.errors import BuildError
from tests.building.conftest import MakeProgram

OURS = {"msgpack", "pydantic", "structlog", "cloudpickle"}


def names(requirements: Requirements) -> list[str]:
    return [plain_name(line.split(">")[0].split("=")[0].split("[")[0].strip()) for line in requirements.lines]


def test_a_project_that_requires_nothing_gets_what_we_require(make_program: MakeProgram) -> None:
    found = requirements_of(make_program(), ())
    assert (set(names(found)), found.origin) == (OURS, "")


def test_requirements_txt_counts_and_files_that_it_refers_to_are_read_in(make_program: MakeProgram) -> None:
    files = {
        "requirements.txt": "# theirs\nhttpx==0.27 \\\n    --hash=sha256:00\n-r more/base.txt\n\n-i x # here\n",
        "more/base.txt": "attrs>=23  # why\nNexus_SDK[encryption,cli]\nboto3\n",
        "pyproject.toml": "[project]\ndependencies = ['ignored']\n",
    }
    found = requirements_of(make_program(files), {"boto3"}, {"cli"})
    assert found.lines[:3] == ("httpx==0.27      --hash=sha256:00", "attrs>=23", "-i x")
    assert set(names(found)[3:]) == OURS | {"cryptography"}  # whoever types has the command line
    assert (found.origin, found.provided) == ("requirements.txt", ("boto3",))


def test_without_one_pyproject_says_it(make_program: MakeProgram) -> None:
    files = {"pyproject.toml": "[project]\ndependencies = ['httpx', 'nexus-sdk[aws]', 'pydantic==2.11']\n"}
    found = requirements_of(make_program(files), {"boto3"})
    assert found.origin == "pyproject.toml"
    assert names(found)[:2] == ["httpx", "pydantic"]
    assert names(found).count("pydantic") == 1  # theirs counts
    assert "boto3" not in names(found)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "-r requirements.txt\n"}, "refers to itself"),
        ({"requirements.txt": "-r missing.txt\n"}, "cannot be read"),
        ({"requirements.txt": b"\xff\xfe"}, "cannot be read"),
        ({"pyproject.toml": "project = 3\n"}, "cannot be read"),
    ],
)
def test_requirements_that_make_no_sense_are_refused(
    make_program: MakeProgram, files: dict[str, str | bytes], said: str
) -> None:
    with pytest.raises(BuildError, match=said):
        requirements_of(make_program(files), ())
