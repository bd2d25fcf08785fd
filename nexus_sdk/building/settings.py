"""What may be set of a deployment. A platform declares its settings; the one rule: what nobody declared is refused.

They come from ``[tool.nexus.PLATFORM]`` of pyproject.toml, then from ``[tool.nexus.PLATFORM.stages.STAGE]``, then from
the command line; the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nexus_sdk.authoring.registry import near
from nexus_sdk.building.program import Program, checked_name
from nexus_sdk.errors import BuildError

VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that may be set.

    Attributes:
        default: its value, and its type: a text, a whole number, or a tuple of texts.
        choices: what it may be, where not everything of its type.
        least, most: of a number.
    """

    name: str
    default: str | int | tuple[str, ...]
    meaning: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 1_000_000

    def parsed(self, given: Any) -> str | int | tuple[str, ...]:
        """The value that was given, as text or as TOML has it.

        Raises:
            BuildError: it is none.
        """
        match self.default:
            case int():
                return self._number(given)
            case tuple():
                items = given.split(",") if isinstance(given, str) else given
                if isinstance(items, list | tuple) and all(isinstance(item, str) for item in items):
                    return tuple(item.strip() for item in items if item.strip())
                raise self._refused(given, "texts, divided by commas")
            case _:
                if not isinstance(given, str) or (self.choices and given not in self.choices):
                    raise self._refused(given, "one of " + ", ".join(self.choices) if self.choices else "a text")
                return given

    def _number(self, given: Any) -> int:
        try:
            number = int(given)
        except (TypeError, ValueError):
            number = self.least - 1
        if isinstance(given, bool | float) or not self.least <= number <= self.most:
            raise self._refused(given, f"a whole number from {self.least} to {self.most}")
        return number

    def _refused(self, given: Any, wanted: str) -> BuildError:
        return BuildError(f"The setting {self.name!r} is {wanted}, got {given!r}.", hint=self.meaning)


@dataclass(frozen=True)
class Settings:
    """How a program is deployed.

    Attributes:
        name: of the program.
        stage: which one of its deployments: ``dev``, ``prod``.
        values: of the platform's settings, all of them.
        variables: what the environment of the running program has.
        tags: what everything that is made for it carries.
    """

    name: str
    stage: str
    values: Mapping[str, str | int | tuple[str, ...]]
    variables: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def title(self) -> str:
        """What the deployment is called: ``orders-prod``."""
        return f"{self.name}-{self.stage}"

    def number(self, name: str) -> int:
        """A setting that is a number."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """A setting that is a text."""
        return str(self.values[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """A setting that is several texts."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return value


def settings_of(
    program: Program,
    platform: str,
    declared: Sequence[Setting],
    *,
    name: str | None = None,
    stage: str = "dev",
    options: Iterable[str] = (),
    variables: Iterable[str] = (),
) -> Settings:
    """The settings of a deployment.

    Args:
        options, variables: as typed, ``name=value``.

    Raises:
        BuildError: something in them makes no sense.
    """
    checked_name(stage, "A stage")
    own = dict(_mapping(program.configuration.get(platform, {}), f"[tool.nexus.{platform}]"))
    stages = _mapping(own.pop("stages", {}), f"[tool.nexus.{platform}.stages]")
    of_stage = dict(_mapping(stages.get(stage, {}), f"[tool.nexus.{platform}.stages.{stage}]"))
    given: dict[str, Any] = {}
    environment: dict[str, str] = {}
    tags: dict[str, str] = {}
    for layer in (own, of_stage):
        environment |= _texts(layer.pop("variables", {}), "variables")
        tags |= _texts(layer.pop("tags", {}), "tags")
        given |= layer
    given |= dict(_pair(option, "--option memory=512") for option in options)
    environment |= dict(_pair(variable, "--set GREETING=hello") for variable in variables)
    known = {setting.name: setting for setting in declared}
    if unknown := sorted(set(given) - set(known)):
        raise BuildError(f"There is no setting {unknown[0]!r} of {platform}.", hint=near(unknown[0], known))
    for variable in environment:
        if not VARIABLE.fullmatch(variable):
            raise BuildError(
                f"No variable can be called {variable!r}: letters, digits and underscores.", hint="--set GREETING=hello"
            )
    values = {one: setting.parsed(given.get(one, setting.default)) for one, setting in known.items()}
    title = checked_name(name, "The program") if name is not None else program.name
    return Settings(title, stage, values, environment, tags)


def _pair(text: str, example: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise BuildError(f"{text!r} is no name=value.", hint=f"For example: {example}")
    return name, value


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BuildError(f"{what} of pyproject.toml is no table.", hint="[tool.nexus.aws]\nmemory = 512")
    return value


def _texts(value: Any, what: str) -> dict[str, str]:
    table = _mapping(value, what)
    if wrong := [name for name, text in table.items() if not isinstance(text, str)]:
        raise BuildError(f"{what}: {wrong[0]} is no text.", hint=f'{wrong[0]} = "…"')
    return dict(table)
