"""Failures as data: how an exception crosses a boundary. Never a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from nexus_sdk.core.options import class_name
from nexus_sdk.core.payload import DETAILS, Codec, Payload

ExceptionKind: TypeAlias = type[BaseException] | str
"""An exception class, or its name."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, as data.

    Attributes:
        type: the class's bare name (``ValueError``), or the `type` of an `ApplicationError`.
        message: `str(exception)`, or what could be had of it.
        lineage: ``module:qualname`` of the class and its bases, nearest first, without `object`.
        details: what the raiser attached (`ApplicationError.details`), encoded.
        notes: its notes.
        cause: `__cause__`, or `__context__` where that is shown.
        group: the members of an exception group.
        traceback: the text, for people.
        retryable: False when the raiser forbade a retry.
        code: the stable code when it was one of ours.
    """

    type: str
    message: str
    lineage: tuple[str, ...] = ()
    details: Payload | None = None
    notes: tuple[str, ...] = ()
    cause: Failure | None = None
    group: tuple[Failure, ...] = ()
    traceback: str = ""
    retryable: bool = True
    code: str | None = None

    def is_type(self, kind: ExceptionKind) -> bool:
        """Whether the exception was of this class or a subclass, or bears this name."""
        if isinstance(kind, str):
            return kind == self.type or any(kind in (name, name.partition(":")[2]) for name in self.lineage)
        return class_name(kind) in self.lineage


def details_of(failure: Failure, codec: Codec, type_: Any = Any) -> Any:
    """What the raiser attached, decoded; None when there is nothing.

    Raises:
        PayloadError: it does not fit the type.
    """
    return None if failure.details is None else codec.bound_to(DETAILS).decode(failure.details, type_)


def lineage_of(error: BaseException) -> tuple[str, ...]:
    """The names of an exception's class and its bases, nearest first."""
    return tuple(class_name(kind) for kind in type(error).__mro__ if kind is not object)
