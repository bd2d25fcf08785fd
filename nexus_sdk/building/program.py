"""What is to be deployed: an app, the module it is in, and the folder that module is imported from."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from nexus_sdk.app import Nexus
from nexus_sdk.errors import BuildError

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}[a-z0-9]")
"""What a program or a stage may be called: names of buckets and queues begin with it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A workflow that may be started, for commands that are shown.

    Attributes:
        wanted: its parameters that have no default.
        is_single: it has one parameter, and no more.
    """

    workflow: str
    wanted: tuple[str, ...]
    is_single: bool

    @property
    def arguments(self) -> str:
        """Its arguments as a JSON object, with dots for what nobody can guess."""
        return "{" + ", ".join(f'"{name}": …' for name in self.wanted) + "}"

    @property
    def input(self) -> str:
        """Its arguments as `--input` takes them; empty for none."""
        return ("…" if self.is_single else self.arguments) if self.wanted else ""


@dataclass(frozen=True)
class Program:
    """A program.

    Attributes:
        module: its dotted name.
        attribute: what the app is called in it; empty where the module defines none, and all it has is served.
        app: the app itself.
        root: the folder that the module is imported from. Requirements and configuration lie there.
    """

    module: str
    attribute: str
    app: Nexus
    root: Path

    @property
    def spec(self) -> str:
        """``MODULE[:APP]``, as it is typed."""
        return f"{self.module}:{self.attribute}" if self.attribute else self.module

    @property
    def example(self) -> Example:
        """A workflow to begin with."""
        names = sorted({name for name, _ in self.app.registry.workflows})
        if not names:
            return Example("WORKFLOW", (), is_single=False)
        parameters = self.app.registry.latest(names[0]).signature.parameters
        wanted = tuple(each.name for each in parameters if each.default is each.empty)
        return Example(names[0], wanted, is_single=len(parameters) == 1)

    @cached_property
    def configuration(self) -> Mapping[str, Any]:
        """``[tool.nexus]`` of the pyproject.toml in the root; empty where there is none.

        Raises:
            BuildError: the file cannot be read.
        """
        path = self.root / "pyproject.toml"
        return _table(_toml(path), "tool", "nexus", where=str(path)) if path.is_file() else {}

    @cached_property
    def name(self) -> str:
        """What it is called where nobody says otherwise: ``name`` of the configuration, or the module's name.

        Raises:
            BuildError: that is no name.
        """
        name = str(self.configuration.get("name") or self.module.rpartition(".")[2].lower().replace("_", "-"))
        return checked_name(name, "The program")


def program_in(module: ModuleType, app: Nexus) -> Program:
    """The program that a module and its app are.

    Raises:
        BuildError: the module is no file of a project.
    """
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        raise BuildError(
            f"{module.__name__} is no Python file: there is nothing to pack.",
            hint="Name a module of your project: orders:app.",
        )
    root = Path(file).resolve().parent
    if Path(file).name == "__init__.py":
        root = root.parent
    for _ in module.__name__.split(".")[:-1]:
        root = root.parent
    if "site-packages" in root.parts:
        raise BuildError(
            f"{module.__name__} is part of an installed package ({root}), not of a project.",
            hint="Name a module of your own that makes the app, and list the package in requirements.txt.",
        )
    names = [name for name, value in vars(module).items() if value is app]
    return Program(module.__name__, names[0] if names else "", app, root)


def checked_name(name: str, what: str) -> str:
    """The name, if it can be one.

    Raises:
        BuildError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise BuildError(
            f"{what} cannot be called {name!r}: 2 to 21 lower-case letters, digits and hyphens, a letter first.",
            hint="Name it: --name orders, or in pyproject.toml: [tool.nexus] name = 'orders'.",
        )
    return name


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(
            f"{path} cannot be read: {error}.", hint="Mend it: the name and the settings are in it."
        ) from None


def _table(data: Mapping[str, Any], *names: str, where: str) -> Mapping[str, Any]:
    """A table in a table, empty where there is none.

    Raises:
        BuildError: it is no table.
    """
    for name in names:
        found = data.get(name, {})
        if not isinstance(found, Mapping):
            raise BuildError(f"{where}: [{'.'.join(names)}] is no table.", hint='[tool.nexus]\nname = "orders"')
        data = found
    return data


def running_python() -> str:
    """The version of this interpreter, as platforms name it: ``3.12``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
