"""Which files of a project are packed."""

from __future__ import annotations

import pytest

from nexus_sdk.building.source import project_of
from nexus_sdk.errors import BuildError
from tests.building.conftest import APP, MakeProgram


def packed(make_program: MakeProgram, files: dict[str, str | bytes], module: str = "app") -> set[str]:
    return set(project_of(make_program(files, module)).files)


def test_the_module_and_what_it_imports_is_packed_and_nothing_else(make_program: MakeProgram) -> None:
    files = {
        "app.py": "import prices\n" + APP,
        "prices.py": "def discount():\n    import rules\n",
        "rules.py": "",
        "other.py": "",
        ".env": "TOKEN=secret",
        "test_app.py": "",
        "notes.txt": "",
    }
    assert packed(make_program, files) == {"app.py", "prices.py", "rules.py"}


def test_a_package_comes_as_a_whole_with_its_data(make_program: MakeProgram) -> None:
    files = {
        "app.py": "from shop import prices\n" + APP,
        "shop/__init__.py": "",
        "shop/prices.py": "from .deep import one\n",
        "shop/deep/__init__.py": "from tax import rate as one\n",
        "shop/table.csv": "1,2",
        "shop/.secret": "",
        "shop/__pycache__/x.pyc": b"",
        "tax.py": "rate = 1\n",
    }
    assert packed(make_program, files) == {
        "app.py",
        "shop/__init__.py",
        "shop/prices.py",
        "shop/deep/__init__.py",
        "shop/table.csv",
        "tax.py",
    }


def test_a_program_in_a_package_is_packed_from_the_packages_own_folder(make_program: MakeProgram) -> None:
    files = {"shop/__init__.py": "", "shop/main.py": "from . import steps\n" + APP, "shop/steps.py": "", "b.py": ""}
    program = make_program(files, "shop.main")
    assert set(project_of(program).files) == {"shop/__init__.py", "shop/main.py", "shop/steps.py"}
    assert (program.spec, program.name) == ("shop.main:app", "main")


def test_what_is_found_in_no_other_way_is_included_by_name(make_program: MakeProgram) -> None:
    files = {
        "pyproject.toml": '[tool.nexus]\nname = "orders"\ninclude = ["templates/**/*.html", "plugins.py"]\n',
        "templates/mail/a.html": "",
        "templates/mail/b.txt": "",
        "plugins.py": "",
    }
    assert packed(make_program, files) == {"app.py", "templates/mail/a.html", "plugins.py"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pyproject.toml": '[tool.nexus]\ninclude = "x"\n'}, "is a list of patterns"),
        ({"pyproject.toml": '[tool.nexus]\ninclude = ["missing/*"]\n'}, "matches no file"),
        ({"pyproject.toml": '[tool.nexus]\ninclude = ["/etc/*"]\n'}, "is no pattern"),
        ({"pyproject.toml": "[tool.nexus\n"}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": "[tool]\nnexus = 1\n"}, "is no table"),
        ({"app.py": "def f():\n    import broken\n" + APP, "broken.py": "def x(:\n"}, "broken.py:1 cannot be parsed"),
    ],
)
def test_what_cannot_be_packed_is_refused(make_program: MakeProgram, files: dict[str, str], said: str) -> None:
    with pytest.raises(BuildError, match=said):
        project_of(make_program(files))


def test_only_what_a_file_imports_come_what_may_is_needed(make_program: MakeProgram) -> None:
    files = {
        "app.py": "import json\ntry:\n    import fast\nexcept ImportError: pass\nimport helpers\n" + APP,
        "helpers.py": "def f():\n    import late\nimport pydantic.types\n",
    }
    project = project_of(make_program(files))
    assert {(one.name, one.place) for one in project.needed if not one.name.startswith("nexus_sdk")} == {
        ("pydantic.types", "helpers.py:3")
    }
    assert {"fast", "late", "json", "helpers"} <= project.mentioned
