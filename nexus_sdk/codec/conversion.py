"""Plain data to the annotated type. The one rule: what msgpack or JSON lost is brought back, and nothing is guessed.

How strict it is:

- `int`, `float`, `bool`, `str` and `bytes` are taken as they are, at any depth: the text "1" is no number, 1 is not
  true, 1.0 is not an int. An int is accepted for a float, and True (being an int) for an int.
- Types that JSON has no notation for also accept the usual one: a list for a tuple or set, text for a datetime,
  Decimal, UUID or Path, the value for an enum, a dict for a dataclass or model.
- Inside a pydantic model, or a pydantic dataclass, that model's own configuration rules.
- A class that pydantic does not know is checked by `isinstance`; an attrs class is made from a dict of its attributes.

pydantic is imported when an annotation needs it, and not before: for plain types the value is looked at without it.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

from nexus_sdk.codec.paths import ROOT, shown, step
from nexus_sdk.errors import PayloadError

Check = Callable[[Any], Any]

_NO_TYPE = (Any, object, None, inspect.Parameter.empty)
_SCALARS = (int, float, bool, str, bytes)
_PLAIN = frozenset(
    {*_SCALARS, type(None), list, dict, tuple, set, frozenset, datetime, date, time, timedelta, Decimal, UUID}
)


class Misfit(Exception):
    """A value does not fit; `path` grows while this rises through the containers."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path


def convert(value: Any, type_: Any) -> Any:
    """The value as the annotation says.

    Raises:
        PayloadError: it does not fit; the message names the path.
    """
    if any(type_ is none for none in _NO_TYPE) or (type(value) is type_ and type_ in _PLAIN):
        return value
    try:
        return _check_of(type_)(value)
    except Misfit as misfit:
        raise PayloadError(
            f"{ROOT}{misfit.path}: {misfit.problem}.",
            hint=f"The annotation says {_name(type_)}. Accept the recorded shape too, or give new fields a default.",
        ) from misfit.__cause__


def _name(type_: Any) -> str:
    return type_.__qualname__ if isinstance(type_, type) and not get_args(type_) else shown(type_)


def _check_of(type_: Any) -> Check:
    if isinstance(type_, type) and type_ in _SCALARS:
        return _SCALAR_CHECKS[type_]
    if "pydantic" not in sys.modules:
        return lambda value: value if _is_exactly(value, type_) else _cached_check(type_)(value)
    try:
        return _cached_check(type_)
    except TypeError:  # an annotation that cannot be hashed
        return _make_check(type_)


@lru_cache(maxsize=4096)
def _cached_check(type_: Any) -> Check:
    return _make_check(type_)


def _make_check(type_: Any) -> Check:
    return _by_pydantic(type_) or _by_structure(type_)


# --- without pydantic -------------------------------------------------------------------------------------------------


def _scalar(type_: type, accepted: tuple[type, ...], article: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, accepted) or (
            isinstance(value, bool) and bool not in type_.__mro__ and type_ is not int
        ):
            raise Misfit(f"expected {article} {type_.__name__}, found {type(value).__name__} {shown(value)}")
        return float(value) if type_ is float and isinstance(value, int) else value

    return check


_SCALAR_CHECKS: Mapping[type, Check] = {
    int: _scalar(int, (int,), "an"),
    float: _scalar(float, (float, int), "a"),
    bool: _scalar(bool, (bool,), "a"),
    str: _scalar(str, (str,), "a"),
    bytes: _scalar(bytes, (bytes,), "a"),
}


def _is_exactly(value: Any, type_: Any) -> bool:
    """Whether a value plainly is of a plain type; False in doubt."""
    if type_ is Any:
        return True
    origin, args = get_origin(type_), get_args(type_)
    if origin is None:
        return type(value) is (type(None) if type_ is None else type_) and type(value) in _PLAIN
    if origin in (Union, types.UnionType):
        return any(_is_exactly(value, arg) for arg in args)
    if type(value) is not origin:
        return False
    if origin is dict:
        return all(_is_exactly(key, args[0]) and _is_exactly(item, args[1]) for key, item in value.items())
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return len(value) == len(args) and all(map(_is_exactly, value, args))
    return origin in (list, tuple, set, frozenset) and all(_is_exactly(item, args[0]) for item in value)


def _by_structure(type_: Any) -> Check:
    """What pydantic knows no way for: look into containers and unions, make attrs classes, else ask `isinstance`."""
    origin, args = get_origin(type_) or type_, get_args(type_)
    if origin in (Union, types.UnionType):
        return lambda value: _first_that_fits(value, args)
    if hasattr(origin, "__attrs_attrs__"):
        return lambda value: _attrs_from(value, origin)
    if is_typeddict(origin):
        return lambda value: _typed_dict(value, get_type_hints(origin))
    if origin in (list, tuple, set, frozenset, Sequence) and args:
        made = list if origin is Sequence else origin
        return lambda value: made(_items(value, args))
    if origin in (dict, Mapping) and args:
        return lambda value: {key: _at(step(key), item, args[1]) for key, item in _expect(value, Mapping).items()}
    if isinstance(origin, type):
        return lambda value: _expect(value, origin)
    return lambda value: value


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Misfit(f"expected {_name(kind)}, found {type(value).__name__} {shown(value)}")
    return value


def _at(where: str, value: Any, type_: Any) -> Any:
    if any(type_ is none for none in _NO_TYPE):
        return value
    try:
        return _check_of(type_)(value)
    except Misfit as misfit:
        misfit.path = where + misfit.path
        raise


def _items(value: Any, args: tuple[Any, ...]) -> list[Any]:
    items = list(_expect(value, list | tuple | set | frozenset))  # type: ignore[arg-type]  # a union serves isinstance
    types_ = args if len(args) == len(items) and Ellipsis not in args else (args[0],) * len(items)
    return [_at(f"[{index}]", item, type_) for index, (item, type_) in enumerate(zip(items, types_, strict=True))]


def _first_that_fits(value: Any, types_: tuple[Any, ...]) -> Any:
    for type_ in types_:
        try:
            return _at("", value, type_) if type_ is not type(None) else _expect(value, type(None))
        except Misfit:
            continue
    raise Misfit(f"none of {', '.join(map(_name, types_))} fits {type(value).__name__} {shown(value)}")


def _typed_dict(value: Any, hints: Mapping[str, Any]) -> dict[Any, Any]:
    return {key: _at(step(key), item, hints.get(key, Any)) for key, item in _expect(value, dict).items()}


def _attrs_from(value: Any, kind: Any) -> Any:
    """An instance of an attrs class from a dict of its attributes; those that `__init__` does not take are set."""
    if isinstance(value, kind):
        return value
    _expect(value, dict)
    hints = get_type_hints(kind)
    attributes = {a.name: a for a in kind.__attrs_attrs__ if a.name in value}
    found = {name: _at(step(name), value[name], hints.get(name, Any)) for name in attributes}
    try:
        made = kind(**{attributes[name].alias: item for name, item in found.items() if attributes[name].init})
    except Exception as error:  # its own __init__ and validators may raise anything
        raise Misfit(f"{_name(kind)} refused it: {error}") from error
    for name, item in found.items():
        if not attributes[name].init:
            object.__setattr__(made, name, item)
    return made


# --- with pydantic ----------------------------------------------------------------------------------------------------


def _by_pydantic(type_: Any) -> Check | None:
    """A check by pydantic; None for types that it cannot handle."""
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError
    from pydantic_core import SchemaValidator

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(type_)
        schema = adapter.core_schema
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return None
    if not adapter.pydantic_complete:
        return None  # a name in it is not defined
    strict = _stricter(schema)
    validate = (adapter.validator if strict is schema else SchemaValidator(strict)).validate_python

    def check(value: Any) -> Any:
        try:
            return validate(value, by_alias=True, by_name=True)
        except ValidationError as error:
            raise _misfit(error, value) from error
        except Exception as error:  # a validator of the user's own type may raise anything
            raise Misfit(f"{_name(type_)} refused it: {type(error).__name__}: {error}") from error

    return check


_INT_OR_BOOL = ({"type": "int", "strict": True}, {"type": "bool", "strict": True})
_STRICT = ("float", "bool", "str", "bytes")
_NOT_SCHEMAS = ("metadata", "serialization", "default", "expected", "config", "function", "cls")


def _stricter(schema: Any) -> Any:
    """The schema with strict scalars, outside of what has its own validator. The same object if nothing changes."""
    if isinstance(schema, list | tuple):
        made = [_stricter(item) for item in schema]
        return schema if all(map(_is, made, schema)) else type(schema)(made)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind == "model" or (kind == "dataclass" and hasattr(schema["cls"], "__pydantic_validator__")):
        return schema  # its own rules
    if kind == "int" and "strict" not in schema:
        return {"type": "union", "mode": "left_to_right", "choices": [{**schema, "strict": True}, _INT_OR_BOOL[1]]}
    if isinstance(kind, str) and kind in _STRICT and "strict" not in schema:
        return {**schema, "strict": True}
    made_of = {key: item if key in _NOT_SCHEMAS and kind else _stricter(item) for key, item in schema.items()}
    if kind == "dataclass-field" and not schema.get("init", True):
        return {**made_of, "init": True}  # __init__ does not take it, but what was encoded comes back
    return schema if all(_is(made_of[key], schema[key]) for key in schema) else made_of


def _is(one: Any, other: Any) -> bool:
    return one is other


def _misfit(error: Any, value: Any) -> Misfit:
    """pydantic's complaint in our words: the first place, and how many more there are."""
    complaints = error.errors(include_url=False, include_context=False)
    first = complaints[0]
    is_missing = first["type"] in ("missing", "missing_argument")
    problem = first["msg"][0].lower() + first["msg"][1:]
    if not is_missing:
        problem += f", found {type(first['input']).__name__} {shown(first['input'])}"
    path = _path(first["loc"], value)
    more = len({_path(complaint["loc"], value) for complaint in complaints} - {path})
    return Misfit(f"{problem} (and {more} more)" if more else problem, path)


def _path(location: Sequence[Any], value: Any) -> str:
    """pydantic's location without the names of the union members it tried."""
    path = ""
    for number, key in enumerate(location):
        try:
            value = value[key] if isinstance(value, Mapping | Sequence) else getattr(value, key)
        except (LookupError, TypeError, AttributeError):
            is_last = number == len(location) - 1
            if not (is_last and isinstance(value, Mapping) and isinstance(key, str)):
                continue
        path += step(key)
    return path
