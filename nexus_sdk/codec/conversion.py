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
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

from nexus_sdk.codec.misfit import Misfit
from nexus_sdk.codec.paths import ROOT, shortened, shown, step
from nexus_sdk.codec.plainer import Fields, kind_name
from nexus_sdk.codec.schemas import (
    Check,
    check_by_pydantic,
    is_init_only,
    is_restored,
    matches,
    subclass_named,
    type_name,
)
from nexus_sdk.errors import PayloadError

_SCALARS = (int, float, bool, str, bytes)
_PLAIN = frozenset(
    {*_SCALARS, type(None), list, dict, tuple, set, frozenset, datetime, date, time, timedelta, Decimal, UUID}
)
_ANY_CONTAINER = (Sequence, Collection, Iterable, AbstractSet)
_CONTAINERS = (list, tuple, set, frozenset)


def convert(value: Any, type_: Any) -> Any:
    """The value as the annotation says.

    Raises:
        PayloadError: it does not fit; the message names the path.
    """
    if type(value) is type_ and type_ in _PLAIN:
        return value
    if type_ is Any or type_ is object or type_ is None or type_ is inspect.Parameter.empty:
        return value
    try:
        return _check_of(type_)(value)
    except Misfit as misfit:
        raise PayloadError(
            f"{shortened(ROOT + misfit.path)}: {misfit.problem}.",
            hint=f"The annotation says {type_name(type_)}. "
            "Accept the recorded shape too, or give new fields a default.",
        ) from misfit.__cause__
    except RecursionError:
        raise PayloadError(f"{ROOT}: it is nested too deeply for {type_name(type_)}.") from None


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
    return _restoring(type_) or check_by_pydantic(type_, _check_again) or _by_structure(type_)


def _check_again(type_: Any) -> Check:
    """The check of a type from within that of another, which may be the same: looked for when it is needed."""
    return lambda value: _check_of(type_)(value)


# --- without pydantic -------------------------------------------------------------------------------------------------


def _scalar(type_: type, accepted: tuple[type, ...], article: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, accepted) or (
            isinstance(value, bool) and bool not in type_.__mro__ and type_ is not int
        ):
            raise Misfit(f"expected {article} {type_.__name__}, found {shown(value)}")
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
    """What pydantic knows no way for: look into containers, unions and objects, else ask `isinstance`."""
    origin, args = get_origin(type_) or type_, get_args(type_)
    if origin in (Union, types.UnionType):
        return lambda value: _first_that_fits(value, args)
    if hasattr(origin, "__attrs_attrs__") or (isinstance(origin, type) and is_dataclass(origin)):
        return _object_check(type_, origin)
    if is_typeddict(origin):
        return lambda value: _typed_dict(value, origin, _hints_of(type_))
    if isinstance(origin, type) and issubclass(origin, tuple) and hasattr(origin, "_fields"):
        return lambda value: _named_tuple(value, origin, _hints_of(type_))
    if origin in (*_CONTAINERS, *_ANY_CONTAINER, deque) and args:
        return lambda value: _container(value, origin, args)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(args) == 2:
        return lambda value: _mapping(value, origin, args)
    if isinstance(origin, type):
        return lambda value: _instance(value, origin)
    return lambda value: value


def _expect(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        wanted = type_name(kind) if isinstance(kind, type) else " or ".join(map(type_name, kind))
        raise Misfit(f"expected {wanted}, found {shown(value)}")
    return value


def _instance(value: Any, kind: type) -> Any:
    """An instance of a class; one of a subclass of a plain type is made from the plain value."""
    if isinstance(value, kind):
        return value
    base = bytes if kind in (bytearray, memoryview) else type(value)
    if base not in _PLAIN or (base is not bytes and not issubclass(kind, base)) or type(value) is not base:
        return _expect(value, kind)
    made: Any = _made(kind, lambda: kind(value))
    return made if made == value else _expect(value, kind)


def _made(kind: Any, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # its own __init__ and validators may raise anything
        raise Misfit(f"{type_name(kind)} refused it: {type(error).__name__}: {error}") from error


def _at(where: str, value: Any, type_: Any) -> Any:
    if any(type_ is none for none in (Any, object, inspect.Parameter.empty)):
        return value
    try:
        return _check_of(type(None) if type_ is None else type_)(value)
    except Misfit as misfit:
        misfit.path = where + misfit.path
        raise


def _container(value: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    items = list(_expect(value, (*_CONTAINERS, deque)))
    fixed = origin is tuple and not (len(args) == 2 and args[1] is Ellipsis)
    if fixed and len(args) != len(items):
        raise Misfit(f"expected {len(args)} items, found {len(items)}")
    types_ = args if fixed else (args[0],) * len(items)
    made = [_at(f"[{index}]", item, type_) for index, (item, type_) in enumerate(zip(items, types_, strict=True))]
    kind = type(value) if origin in _ANY_CONTAINER else origin
    return _made(kind, lambda: kind(made))


def _mapping(value: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    made = {
        _at(f" key {step(key)}", key, args[0]): _at(step(key), item, args[1])
        for key, item in _expect(value, Mapping).items()
    }
    if origin is dict or inspect.isabstract(origin):
        return made
    empty: Any = _made(origin, origin)
    empty.update(made)
    return empty


def _first_that_fits(value: Any, types_: tuple[Any, ...]) -> Any:
    for type_ in sorted(types_, key=lambda type_: not _is_of(value, type_)):
        try:
            return _at("", value, type_)
        except Misfit as misfit:
            if _is_of(value, type_):
                raise misfit from misfit.__cause__
    raise Misfit(f"none of {', '.join(map(type_name, types_))} fits {shown(value)}")


def _is_of(value: Any, type_: Any) -> bool:
    """Whether a union's member is the class that an object remembers, or has as its own."""
    kind = get_origin(type_) or type_
    if not isinstance(kind, type):
        return False
    if type(value) is Fields:
        return matches(value.kind, kind) or subclass_named(kind, value.kind) is not None
    return type(value) is kind


def _typed_dict(value: Any, kind: Any, hints: Mapping[str, Any]) -> dict[Any, Any]:
    for key in sorted(kind.__required_keys__ - _expect(value, dict).keys()):
        raise Misfit("field required", step(key))
    return {key: _at(step(key), item, hints.get(key, Any)) for key, item in value.items()}


def _named_tuple(value: Any, kind: Any, hints: Mapping[str, Any]) -> Any:
    items = tuple(_expect(value, (tuple, list)))
    if len(items) > len(kind._fields):
        raise Misfit(f"expected {len(kind._fields)} items, found {len(items)}")
    made = [_at(step(name), item, hints.get(name, Any)) for name, item in zip(kind._fields, items, strict=False)]
    return _made(kind, lambda: kind(*made))


# --- objects: attrs classes, and dataclasses that pydantic has no way for ---------------------------------------------


def _hints_of(type_: Any) -> Mapping[str, Any]:
    """The annotations of a class's fields, with the arguments of a generic class put in."""
    origin = get_origin(type_) or type_
    try:
        hints = get_type_hints(origin, localns={origin.__name__: origin})
    except Exception as error:
        raise Misfit(f"the annotations of {type_name(origin)} cannot be resolved: {error}") from error
    given = dict(zip(getattr(origin, "__parameters__", ()), get_args(type_), strict=False))
    return {name: _with_arguments(hint, given) for name, hint in hints.items()} if given else hints


def _with_arguments(hint: Any, given: Mapping[Any, Any]) -> Any:
    if hint in given:
        return given[hint]
    names = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(name, name) for name in names)] if names and not isinstance(hint, type) else hint


def _restoring(type_: Any) -> Check | None:
    """A check of a dataclass that comes back by its fields; None for all else.

    What such a dataclass recorded is its state: `__post_init__` runs for what it sets beside the fields, and then the
    fields are as they were. pydantic would leave them as `__post_init__` did.
    """
    if not isinstance(type_, type) or not is_restored(type_):
        return None
    by_pydantic = check_by_pydantic(type_, _check_again)
    by_structure = _object_check(type_, type_)
    own = kind_name(type_)

    def check(value: Any) -> Any:
        is_recorded = type(value) is Fields and value.kind == own
        return by_structure(value) if is_recorded or by_pydantic is None else by_pydantic(value)

    return check


def _object_check(type_: Any, kind: Any) -> Check:
    """Makes objects of a dataclass or attrs class from the dict of their fields."""
    is_attrs = hasattr(kind, "__attrs_attrs__")
    members: Sequence[Any] = kind.__attrs_attrs__ if is_attrs else fields(kind)
    arguments = {member.name: member.alias if is_attrs else member.name for member in members if member.init}
    only_for_init: Mapping[str, Any] = {} if is_attrs else _init_only(kind)

    def check(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) is Fields and not matches(value.kind, kind):
            other = subclass_named(kind, value.kind)
            if other is not None:
                return _check_of(other)(value)
        hints = _hints_of(type_)
        names = [member.name for member in members if member.name in _expect(value, dict)]
        found = {name: _at(step(name), value[name], hints.get(name, Any)) for name in names}
        given = {name: value[name] for name in only_for_init if name in value}
        if not given and any(only_for_init[name] is MISSING for name in only_for_init):
            return _without_init(kind, members, found)
        taken = {arguments[name]: item for name, item in found.items() if name in arguments}
        made = _made(kind, lambda: kind(**taken, **given))
        is_recorded = type(value) is Fields
        for name, item in found.items():
            if is_recorded or name not in arguments:
                object.__setattr__(made, name, item)
        return made

    return check


def _init_only(kind: Any) -> Mapping[str, Any]:
    """The `InitVar`s of a dataclass, with their defaults: `__init__` takes them, and no field keeps them."""
    return {name: member.default for name, member in kind.__dataclass_fields__.items() if is_init_only(member)}


def _without_init(kind: Any, members: Sequence[Any], found: Mapping[str, Any]) -> Any:
    """An object with these fields. Nobody kept what its `__init__` wants, and it has done its work."""
    made = object.__new__(kind)
    for member in members:
        object.__setattr__(made, member.name, found[member.name] if member.name in found else _default(member))
    return made


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is MISSING:
        raise Misfit("field required", step(field.name))
    return field.default_factory()
