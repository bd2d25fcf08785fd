"""Settings: declared by a platform, given by pyproject.toml, by a stage, and by what is typed."""

from __future__ import annotations

import pytest

from nexus_sdk.building.settings import Setting, Settings, settings_of
from nexus_sdk.errors import BuildError
from tests.building.conftest import MakeProgram

DECLARED = (
    Setting("memory", 1024, "Megabytes.", least=128, most=2048),
    Setting("machine", "x86_64", "What runs it.", choices=("x86_64", "arm64")),
    Setting("topic", "", "Where to."),
    Setting("queues", (), "Some queues."),
)

CONFIGURED = """
[tool.nexus.cloud]
memory = 256
queues = ["a", "b"]
variables = { GREETING = "hello", NAME = "all" }
tags = { team = "sales" }
[tool.nexus.cloud.stages.prod]
memory = 512
variables = { NAME = "prod" }
[tool.nexus.other]
unknown = 1
"""


def found(make_program: MakeProgram, text: str = CONFIGURED, **typed: object) -> Settings:
    program = make_program({"pyproject.toml": text})
    return settings_of(program, "cloud", DECLARED, **typed)  # type: ignore[arg-type]


def test_the_defaults_hold_where_nothing_is_said(make_program: MakeProgram) -> None:
    plain = settings_of(make_program(), "cloud", DECLARED)
    assert plain.values == {"memory": 1024, "machine": "x86_64", "topic": "", "queues": ()}
    assert (plain.title, plain.variables, plain.tags) == ("app-dev", {}, {})


def test_a_stage_counts_more_than_all_of_them_and_what_is_typed_most(make_program: MakeProgram) -> None:
    dev = found(make_program)
    assert (dev.number("memory"), dev.texts("queues"), dev.variables["NAME"]) == (256, ("a", "b"), "all")
    prod = found(make_program, stage="prod")
    assert (prod.number("memory"), prod.variables) == (512, {"GREETING": "hello", "NAME": "prod"})
    assert prod.tags == {"team": "sales"}
    typed = found(
        make_program, stage="prod", name="orders", options=["memory=128", "queues=x, y,"], variables=["NAME=a=b"]
    )
    assert (typed.number("memory"), typed.texts("queues"), typed.variables["NAME"]) == (128, ("x", "y"), "a=b")
    assert typed.title == "orders-prod"


@pytest.mark.parametrize(
    ("text", "typed", "said"),
    [
        ("", {"options": ["memroy=1"]}, "no setting 'memroy' of cloud"),
        ("", {"options": ["memory=127"]}, "a whole number from 128 to 2048, got '127'"),
        ("", {"options": ["memory=2049"]}, "a whole number"),
        ("", {"options": ["memory=1.5"]}, "a whole number"),
        ("", {"options": ["machine=sparc"]}, "one of x86_64, arm64, got 'sparc'"),
        ("", {"options": ["=1"]}, "is no name=value"),
        ("", {"variables": ["GREETING"]}, "is no name=value"),
        ("", {"variables": ["A-B=1"]}, "No variable can be called 'A-B'"),
        ("", {"stage": "Prod"}, "A stage cannot be called 'Prod'"),
        ("", {"name": "-orders"}, "The program cannot be called '-orders'"),
        ("[tool.nexus]\nname = 'Our Orders'\n", {}, "cannot be called 'Our Orders'"),
        ("[tool.nexus]\ncloud = 1\n", {}, "is no table"),
        ("[tool.nexus.cloud]\nmemory = 256.0\n", {}, "a whole number"),
        ("[tool.nexus.cloud]\nmemory = true\n", {}, "a whole number"),
        ("[tool.nexus.cloud]\ntopic = 1\n", {}, "is a text, got 1"),
        ("[tool.nexus.cloud]\nqueues = [1]\n", {}, "texts, divided by commas"),
        ("[tool.nexus.cloud]\nvariables = { A = 1 }\n", {}, "variables: A is no text"),
        ("[tool.nexus.cloud]\nstages = 1\n", {}, "is no table"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_next_step(
    make_program: MakeProgram, text: str, typed: dict[str, object], said: str
) -> None:
    with pytest.raises(BuildError, match=said) as told:
        found(make_program, text, **typed)
    assert told.value.hint
