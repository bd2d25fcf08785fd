"""Signatures: arguments are recorded by parameter name, and bound again to whatever the function looks like later."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.hints import names_around, resolved_hints
from nexus_sdk.errors import PayloadError, SignatureMismatch

if TYPE_CHECKING:
    from nexus_sdk.core.payload import Codec

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Elided:
    def __repr__(self) -> str:
        return "…"


_ELIDED = _Elided()


class Signature:
    """The parameters of a workflow or activity, without a workflow's `ctx`.

    Args:
        skip: so many parameters in front are left out.
        local_names: what postponed annotations mean where the function is defined; by default what they mean where this
            is made, which is right for decorators.
    """

    def __init__(self, fn: Callable[..., Any], skip: int, local_names: Mapping[str, Any] | None = None) -> None:
        self.fn = fn
        self.name = getattr(fn, "__name__", type(fn).__name__)
        signature = inspect.signature(fn)
        self.parameters = list(signature.parameters.values())[skip:]
        self._signature = signature.replace(parameters=self.parameters)
        self._names = [p.name for p in self.parameters]
        self._kinds = {p.name: p.kind for p in self.parameters}
        self._is_plain = all(p.kind in _POSITIONAL for p in self.parameters)
        self.local_names = names_around(fn) if local_names is None else local_names

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The annotations, forward references resolved. One that only a type checker understands is left out."""
        return resolved_hints(self.fn, self.local_names)

    @cached_property
    def result_type(self) -> Any:
        """The annotated result, `Any` where there is none."""
        return self.hints.get("return", Any)

    @property
    def summary(self) -> str:
        """The parameters as a message shows them, without annotations and values: ``(order, amount=…)``."""
        empty = inspect.Parameter.empty
        bare = [
            parameter.replace(annotation=empty, default=empty if parameter.default is empty else _ELIDED)
            for parameter in self.parameters
        ]
        return str(inspect.Signature(bare)) if bare else "no arguments"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by parameter name, as they are recorded. Defaults are not recorded.

        Raises:
            SignatureMismatch: where Python's own call would raise a TypeError, which it is too.
        """
        if not kwargs and self._is_plain and len(args) == len(self._names):
            return dict(zip(self._names, args, strict=True))
        try:
            return dict(self._signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise SignatureMismatch(f"{self.name}(): {error}.", hint=f"It takes {self.summary}.") from None

    def check(self, arguments: Mapping[str, Any], codec: Codec) -> dict[str, Any]:
        """The same arguments, validated against the annotations.

        Raises:
            PayloadError: one does not fit; the message names it.
        """
        return {name: self._convert(name, value, codec) for name, value in arguments.items()}

    def unbind(self, recorded: Any, codec: Codec) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the call, from what was recorded by name or by position.

        Raises:
            PayloadError: the recorded arguments do not fit the signature.
        """
        if isinstance(recorded, list | tuple):
            try:
                recorded = self.bind(recorded, {})
            except SignatureMismatch as error:
                raise PayloadError(f"the recorded arguments do not fit: {error.message}", hint=error.hint) from None
        unknown = set(recorded).difference(self._kinds)
        if unknown:
            raise PayloadError(
                f"{self.name}() has no parameter {', '.join(map(repr, sorted(unknown)))}, which was recorded.",
                hint="A later version may add parameters that have defaults, but not remove or rename any.",
            )
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in recorded:
                self._place(parameter, self._convert(parameter.name, recorded[parameter.name], codec), args, kwargs)
            elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                raise PayloadError(
                    f"{self.name}() needs {parameter.name!r}, which was not recorded.",
                    hint="A parameter that is added later needs a default.",
                )
        return args, kwargs

    def _convert(self, name: str, value: Any, codec: Codec) -> Any:
        hint = self.hints.get(name, Any)
        if hint is Any:
            return value
        kind = self._kinds[name]
        if kind is inspect.Parameter.VAR_POSITIONAL:
            hint = types.GenericAlias(list, (hint,))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            hint = types.GenericAlias(dict, (str, hint))
        try:
            return codec.convert(list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value, hint)
        except PayloadError as error:
            raise PayloadError(f"{self.name}(): argument {name!r}: {error.message}", hint=error.hint) from error

    def _place(self, parameter: inspect.Parameter, value: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        match parameter.kind:
            case inspect.Parameter.POSITIONAL_ONLY:
                args.append(value)
            case inspect.Parameter.VAR_POSITIONAL:
                args.extend(value)
            case inspect.Parameter.VAR_KEYWORD:
                kwargs.update(value)
            case inspect.Parameter.POSITIONAL_OR_KEYWORD if self._has_var_positional:
                args.append(value)
            case _:
                kwargs[parameter.name] = value

    @cached_property
    def _has_var_positional(self) -> bool:
        return any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in self.parameters)
