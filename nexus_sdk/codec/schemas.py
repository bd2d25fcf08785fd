"""What pydantic makes of an annotation, and what is changed in it. The one rule: pydantic's own types keep their rules.

Changed are: scalars become strict outside of models; an object that remembers its class is made into exactly that one
among the members of a union and the subclasses of what is annotated; an enum goes before its plain value; attrs classes
are found; infinite and undefined Decimals pass; an `Iterable` is the container it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from nexus_sdk.codec.misfit import Misfit
from nexus_sdk.codec.paths import shown, step
from nexus_sdk.codec.plainer import Fields, kind_name
from nexus_sdk.codec.secret import is_secret_class

Check = Callable[[Any], Any]

_STRICT = ("float", "bool", "str", "bytes")
_BOOL = {"type": "bool", "strict": True}
_NOT_SCHEMAS = ("metadata", "serialization", "default", "expected", "config", "function", "cls", "members")
_AROUND = ("function-wrap", "function-before", "function-after", "default", "tagged-union", "definition-ref")
_MISFIT = "nexus_misfit"
_HERE, _ELSEWHERE = -(10**9), -(10**9) - 1
"""Names for ways to go on. They become part of pydantic's locations, so they are no index or key of any value."""


def check_by_pydantic(type_: Any, check_of: Callable[[Any], Check]) -> Check | None:
    """A check by pydantic; None for types that it cannot handle.

    Args:
        check_of: the check of any type, for what is found to be of another class than the annotated one.
    """
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import SchemaValidator

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(type_)
        schema = adapter.core_schema
    except Exception:  # not only its own errors: an annotation may be anything, and its hooks are the user's code
        return None
    if not adapter.pydantic_complete:
        return None  # a name in it is not defined
    changes = _Changes(check_of, schema)
    changed = changes.of(schema)
    # Prebuilt: the validators of models inside, which know nothing of the changes.
    made = adapter.validator if changed is schema else SchemaValidator(changed, _use_prebuilt=False)
    validate = made.validate_python
    name = type_name(type_)

    def check(value: Any) -> Any:
        try:
            return validate(value, by_alias=True, by_name=True)
        except ValidationError as error:
            raise _misfit(error, value, changes.has_secrets) from None  # the original holds the whole input
        except Exception as error:  # a validator of the user's own type may raise anything
            raise Misfit(f"{name} refused it: {type(error).__name__}: {error}") from error

    return check


def type_name(type_: Any) -> str:
    """The name of an annotation for a message."""
    if isinstance(type_, type) and not getattr(type_, "__args__", None):
        return type_.__qualname__
    text = repr(type_)
    return text if len(text) <= 60 else f"{text[:59]}…"


def matches(kind: str, cls: type) -> bool:
    """Whether a class is the one of this name. What was written as a script may be read as a module."""
    if kind == kind_name(cls):
        return True
    module, _, name = kind.partition(":")
    return name == cls.__qualname__ and "__main__" in (module, cls.__module__)


def subclass_named(cls: type, kind: str) -> type | None:
    """The subclass of a class that has this name, the newest first; None where there is none."""
    subclasses: list[type] = type.__subclasses__(cls)
    for below in reversed(subclasses):
        if matches(kind, below):
            return below
        if (found := subclass_named(below, kind)) is not None:
            return found
    return None


class _Changes:
    """Changes a schema. What needs no change is the same object."""

    def __init__(self, check_of: Callable[[Any], Check], schema: Any) -> None:
        self.check_of = check_of
        self.definitions = {defined["ref"]: defined for defined in schema.get("definitions", ())}
        self.has_secrets = False

    def of(self, schema: Any, *, own_rules: bool = False) -> Any:
        """The changed schema. `own_rules`: it is inside of a model, where scalars are as strict as the model says."""
        if isinstance(schema, list | tuple):
            made = [self.of(item, own_rules=own_rules) for item in schema]
            return schema if all(map(_is, made, schema)) else type(schema)(made)
        if not isinstance(schema, dict):
            return schema
        kind = schema.get("type")
        if not own_rules and isinstance(kind, str) and (scalar := _strict_scalar(kind, schema)) is not None:
            return scalar
        inner_rules = own_rules or kind == "model" or (kind == "dataclass" and _is_pydantic(schema["cls"]))
        inner = {
            key: item if key in _NOT_SCHEMAS and kind else self.of(item, own_rules=inner_rules)
            for key, item in schema.items()
        }
        if all(_is(inner[key], schema[key]) for key in schema):
            inner = schema
        change = _CHANGES.get(kind) if isinstance(kind, str) else None
        return change(self, inner) if change else inner

    def of_class(self, schema: Any) -> Any:
        """A model or dataclass: what remembers that it is of a subclass is made into that."""
        cls, check_of = schema["cls"], self.check_of
        own = kind_name(cls)
        own_way = _ELSEWHERE if is_restored(cls) else _HERE

        def choose(value: Any) -> int:
            if type(value) is not Fields:
                return _HERE
            if value.kind == own:
                return own_way
            return _HERE if subclass_named(cls, value.kind) is None else _ELSEWHERE

        def elsewhere(value: Any) -> Any:
            return _raising(check_of(subclass_named(cls, value.kind) or cls), value)

        inner = {key: item for key, item in schema.items() if key != "ref"}
        choices = {_HERE: inner, _ELSEWHERE: {"type": "function-plain", "function": _function(elsewhere)}}
        return _chosen(schema, choose, choices)

    def of_union(self, schema: Any) -> Any:
        """A union: what remembers its class goes to that member, and an enum's value to the enum."""
        members = [choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"]]
        kinds = [(number, self.core_of(member)) for number, member in enumerate(members)]
        classes = [(core["cls"], number) for number, core in kinds if core.get("type") in ("model", "dataclass")]
        enums = [(core["cls"], number) for number, core in kinds if core.get("type") == "enum"]
        if len(classes) < 2 and not (classes and len(members) > 1) and not enums:
            return schema
        choices = {_ELSEWHERE - 1 - number: member for number, member in enumerate(members)}
        choices[_HERE] = {key: item for key, item in schema.items() if key != "ref"}

        def choose(value: Any) -> int:
            if type(value) is Fields:
                number = _member(value.kind, classes)
            else:
                number = next((number for cls, number in enums if _is_value_of(value, cls)), None)
            return _HERE if number is None else _ELSEWHERE - 1 - number

        return _chosen(schema, choose, choices)

    def core_of(self, schema: Any) -> Any:
        """A union's member without what is put around it."""
        while (kind := schema.get("type")) in _AROUND:
            if kind == "definition-ref":
                schema = self.definitions.get(schema["schema_ref"], {})
            else:
                schema = schema["schema"] if "schema" in schema else schema["choices"].get(_HERE, {})
        return schema

    def of_instance(self, schema: Any) -> Any:
        cls, check_of = schema["cls"], self.check_of
        self.has_secrets = self.has_secrets or (isinstance(cls, type) and is_secret_class(cls))
        if not hasattr(cls, "__attrs_attrs__"):
            return schema
        return {"type": "function-plain", "function": _function(lambda value: _raising(check_of(cls), value))}

    def of_generator(self, schema: Any) -> Any:
        items = schema.get("items_schema", {"type": "any"})
        sequence = {"type": "tuple", "items_schema": [items], "variadic_item_index": 0, "strict": True}
        others = [{"type": kind, "items_schema": items, "strict": True} for kind in ("list", "set", "frozenset")]
        return {"type": "union", "mode": "left_to_right", "choices": [*others, sequence, schema]}

    def of_wrap(self, schema: Any) -> Any:
        function = schema["function"]["function"]
        if getattr(function, "__module__", "") == "pydantic.types" and getattr(function, "__qualname__", "").startswith(
            "Secret."
        ):
            self.has_secrets = True  # its schema has no class to know it by
        return schema

    def of_literal(self, schema: Any) -> Any:
        members = [member for member in schema["expected"] if isinstance(member, Enum)]
        if not members:
            return schema

        def named(value: Any, handler: Check) -> Any:
            same = (m for m in members if type(m.value) is type(value) and m.value == value)
            return handler(next(same, value))

        return _around(named, schema)

    def of_field(self, schema: Any) -> Any:
        # __init__ does not take it, but what was encoded comes back.
        return schema if schema.get("init", True) else {**schema, "init": True}

    def of_decimal(self, schema: Any) -> Any:
        return schema if "allow_inf_nan" in schema else {**schema, "allow_inf_nan": True}


_CHANGES: Mapping[str, Callable[[_Changes, Any], Any]] = {
    "model": _Changes.of_class,
    "dataclass": _Changes.of_class,
    "union": _Changes.of_union,
    "is-instance": _Changes.of_instance,
    "generator": _Changes.of_generator,
    "function-wrap": _Changes.of_wrap,
    "literal": _Changes.of_literal,
    "dataclass-field": _Changes.of_field,
    "decimal": _Changes.of_decimal,
}


def _strict_scalar(kind: str, schema: Any) -> Any:
    if "strict" in schema:
        return None
    if kind == "int":
        return {"type": "union", "mode": "left_to_right", "choices": [{**schema, "strict": True}, _BOOL]}
    return {**schema, "strict": True} if kind in _STRICT else None


def _chosen(schema: Any, choose: Callable[[Any], int], choices: Mapping[int, Any]) -> Any:
    """A schema that asks a function which of these to use. Cheaper than a function that is put around one."""
    made = {"type": "tagged-union", "discriminator": choose, "choices": choices}
    return {**made, "ref": schema["ref"]} if "ref" in schema else made


def _around(function: Callable[[Any, Check], Any], schema: Any) -> Any:
    inner = {key: item for key, item in schema.items() if key != "ref"}
    wrapped = {"type": "function-wrap", "function": _function(function), "schema": inner}
    return {**wrapped, "ref": schema["ref"]} if "ref" in schema else wrapped


def _function(function: Callable[..., Any]) -> Any:
    return {"type": "no-info", "function": function}


def _is(one: Any, other: Any) -> bool:
    return one is other


def _is_pydantic(cls: type) -> bool:
    return hasattr(cls, "__pydantic_validator__")


def is_restored(cls: Any) -> bool:
    """Whether to make a dataclass again takes more than its fields, which is all that pydantic would give it.

    Its `__post_init__` would run last and change them, or an `InitVar` is wanted that nobody kept.
    """
    members = getattr(cls, "__dataclass_fields__", None)
    if members is None or _is_pydantic(cls) or getattr(cls, "__parameters__", None):
        return False
    return hasattr(cls, "__post_init__") or any(is_init_only(member) for member in members.values())


def is_init_only(member: Any) -> bool:
    """Whether a member of `__dataclass_fields__` is an `InitVar`."""
    return bool(member._field_type.name == "_FIELD_INITVAR")


def _member(kind: str, classes: Sequence[tuple[type, int]]) -> int | None:
    exact = [number for cls, number in classes if matches(kind, cls)]
    if exact:
        return exact[0]
    return next((number for cls, number in classes if subclass_named(cls, kind) is not None), None)


def _is_value_of(value: Any, cls: type[Enum]) -> bool:
    if isinstance(value, cls):
        return True
    try:
        return type(cls(value).value) is type(value)
    except Exception:  # `_missing_` is the user's code
        return False


def _raising(check: Check, value: Any) -> Any:
    """A check inside of pydantic, which takes only its own errors."""
    from pydantic_core import PydanticCustomError

    try:
        return check(value)
    except Misfit as misfit:
        context = {"problem": misfit.problem, "path": misfit.path}
        raise PydanticCustomError(_MISFIT, "{path}: {problem}", context) from None


# --- what pydantic complains of ---------------------------------------------------------------------------------------


def _misfit(error: Any, value: Any, has_secrets: bool) -> Misfit:
    """pydantic's complaint in our words: the first place, and how many more there are."""
    complaints = error.errors(include_url=False)
    first = complaints[0]
    path = _path(first["loc"], value)
    more = len({_path(complaint["loc"], value) for complaint in complaints} - {path})
    problem = _problem(first, has_secrets)
    if first["type"] == _MISFIT:
        path += first["ctx"]["path"]
    return Misfit(f"{problem} (and {more} more)" if more else problem, path)


def _problem(complaint: Any, has_secrets: bool) -> str:
    if complaint["type"] == _MISFIT:
        return str(complaint["ctx"]["problem"])
    said: str = complaint["msg"][0].lower() + complaint["msg"][1:]
    if complaint["type"] in ("missing", "missing_argument", "secret"):
        return said
    found = complaint["input"]
    return f"{said}, found {type(found).__name__ if has_secrets else shown(found)}"


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
