"""What is deployed: an app in a module of a project."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import nexus_sdk
from nexus_sdk import Nexus
from nexus_sdk.building.program import program_in
from nexus_sdk.errors import BuildError
from tests.building.conftest import APP, MakeProgram


def test_a_program_knows_its_module_its_app_and_its_root(make_program: MakeProgram) -> None:
    program = make_program({"my_shop/__init__.py": "", "my_shop/orders_app.py": APP}, "my_shop.orders_app")
    assert (program.spec, program.name, program.root.name) == ("my_shop.orders_app:app", "orders-app", "project")
    package = make_program({"shop/__init__.py": APP}, "shop")
    assert (package.spec, package.root) == ("shop:app", program.root)


def test_an_app_that_the_module_does_not_name_is_all_that_is_in_it(make_program: MakeProgram) -> None:
    program = make_program()
    module = ModuleType("app")
    module.__file__ = str(program.root / "app.py")
    assert program_in(module, Nexus()).spec == "app"


@pytest.mark.parametrize("file", [None, "/usr/lib/app.so"])
def test_what_is_no_file_of_python_is_refused(file: str | None) -> None:
    module = ModuleType("app")
    if file:
        module.__file__ = file
    with pytest.raises(BuildError, match="is no Python file"):
        program_in(module, Nexus())


def test_what_is_installed_is_no_project() -> None:
    module = ModuleType("shop.app")
    module.__file__ = str(Path(nexus_sdk.__file__).parent / "site-packages" / "shop" / "app.py")
    with pytest.raises(BuildError, match="part of an installed package"):
        program_in(module, Nexus())
