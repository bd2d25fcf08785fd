"""JSON that is typed: a workflow's arguments and an event's payload.

The rule of `--input`: for a workflow with one parameter the JSON value *is* that parameter, unless it is an object
whose only key is the parameter's name; for several, an object by name or an array by position.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from nexus_sdk.authoring.registry import near
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.core.payload import Codec
from nexus_sdk.errors import PayloadError, SignatureMismatch

INPUT_HELP = (
    "Arguments as JSON, @FILE, or @- for stdin. One parameter: its value, or {name: value}. "
    "Several: an object by name, or an array by position."
)

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def read_json(text: str, what: str) -> Any:
    """The value of a JSON text, of a file (``@name``) or of stdin (``@-``).

    Raises:
        Mistake: it cannot be read, or is no JSON.
    """
    where = what
    if text.startswith("@"):
        where = "stdin" if text == "@-" else text[1:]
        try:
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            hint = "@FILE is a file of UTF-8 text; @- is stdin."
            raise Mistake(f"{what}: {where} cannot be read: {_reason(error)}.", hint=hint) from None
    try:
        return json.loads(text)
    except RecursionError:
        raise Mistake(
            f"{where}: the JSON is nested too deeply.", hint="Keep it flatter, or pass a reference."
        ) from None
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:59] + "…"
        quoted = (
            f"A text is written with its quotes: '{json.dumps(text.strip())}'."
            if text.strip().isalnum() and len(text) <= 60
            else 'Names and texts stand in double quotes: \'{"name": "text"}\'. @FILE reads it from a file.'
        )
        raise Mistake(f"{where} is not JSON: {error}: {shown}", hint=quoted) from None


def bind(workflow: Workflow[Any, Any], given: str | None, codec: Codec) -> Any:
    """A call of the workflow with the arguments that were typed: something that can be started.

    Raises:
        Mistake: they do not fit its parameters and their types.
    """
    args, kwargs = _arguments(workflow, given)
    try:
        workflow.signature.check(workflow.signature.bind(args, kwargs), codec)
        return workflow(*args, **kwargs)
    except PayloadError as error:
        raise _misfit(workflow, error.message, error.code) from None
    except SignatureMismatch as error:
        raise _misfit(workflow, error.message.partition(": ")[2] or error.message, error.code) from None


def _arguments(workflow: Workflow[Any, Any], given: str | None) -> tuple[list[Any], dict[str, Any]]:
    if given is None:
        return [], {}
    value = read_json(given, "--input")
    parameters = workflow.signature.parameters
    names = [parameter.name for parameter in parameters]
    if not parameters:
        if value in (None, {}, []):
            return [], {}
        raise Mistake(f"{workflow.name} takes no input.", hint="Leave --input out.")
    if len(parameters) == 1 and parameters[0].kind not in _VARIABLE:
        if isinstance(value, dict) and set(value) == set(names):
            value = value[names[0]]
        return ([value], {}) if parameters[0].kind in _POSITIONAL else ([], {names[0]: value})
    if isinstance(value, list):
        return value, {}
    if not isinstance(value, dict):
        raise Mistake(f"{workflow.name} has {len(parameters)} parameters.", hint=_wanted(workflow))
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    unknown = [] if takes_any else [key for key in value if key not in names]
    if unknown:
        raise Mistake(f"{workflow.name} has no parameter {unknown[0]!r}.", hint=near(unknown[0], names))
    return [], value


def _misfit(workflow: Workflow[Any, Any], said: str, code: str) -> Mistake:
    return Mistake(f"--input does not fit {workflow.name}: {said}", hint=_wanted(workflow), code=code)


def _wanted(workflow: Workflow[Any, Any]) -> str:
    """How its input is written."""
    parameters = workflow.signature.parameters
    if not parameters:
        return "It takes no input."
    said = ", ".join(str(parameter) for parameter in parameters)
    if len(parameters) == 1:
        return f"It takes ({said}): --input JSON, the value of {parameters[0].name!r}."
    by_name = ", ".join(f'"{parameter.name}": …' for parameter in parameters if parameter.kind not in _VARIABLE)
    return f"It takes ({said}): --input '{{{by_name}}}'."


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
