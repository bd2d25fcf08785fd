"""Values that must not be seen. The one rule: a secret shows itself only to whoever calls `reveal`.

A `Secret` is refused by a codec that does not encrypt, and written as such by one that does, so that it comes back as
a `Secret`, annotated or not. pydantic's `SecretStr`, `SecretBytes` and `Secret` are held to the same.
"""

from __future__ import annotations

import hmac
import sys
from typing import Any, Generic, NoReturn, TypeVar, get_args

T = TypeVar("T")

_SHOWN = "Secret(…)"


class Secret(Generic[T]):
    """Wraps a value so that logs, messages and tracebacks do not have it.

    ```python
    @activity
    async def sign_in(user: str, password: Secret[str]) -> Secret[str]:
        return Secret(await token_for(user, password.reveal()))
    ```

    It is immutable, equal to a secret of an equal value (text and bytes are compared in constant time), and hashable
    when the value is. It cannot be pickled or dumped as JSON; a copy is itself. As an annotation, `Secret[T]` also
    takes a bare value, for those who give input as JSON.
    """

    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> T:
        """The value."""
        return self.__value  # type: ignore[no-any-return, attr-defined]  # set in __init__, past __setattr__

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        ours, theirs = self.reveal(), other.reveal()
        if isinstance(ours, str) and isinstance(theirs, str):
            return hmac.compare_digest(ours.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))
        if isinstance(ours, bytes) and isinstance(theirs, bytes):
            return hmac.compare_digest(ours, theirs)
        return bool(ours == theirs)

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Secret is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Secret is immutable: cannot delete {name!r}")

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: object) -> Secret[T]:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: a pickle would have its value in clear. Call .reveal() first.")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic validates a field of this type: the wrapped value by its own type, shown to nobody."""
        from pydantic_core import PydanticCustomError, ValidationError, core_schema

        inner = handler.generate_schema(*(get_args(source) or (Any,)))

        def validate(value: Any, inside: Any) -> Secret[Any]:
            bare = revealed(value)
            try:
                made = inside(bare)
            except ValidationError:
                pass
            else:
                return value if made is bare and type(value) is Secret else cls(made)
            raise PydanticCustomError("secret", "what this secret holds does not fit its type")

        return core_schema.no_info_wrap_validator_function(
            validate,
            inner,
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )


class PydanticSecret:
    """What one of pydantic's secrets is written as: the name of its class, and what it holds."""

    __slots__ = ("kind", "value")
    KINDS = ("SecretStr", "SecretBytes", "Secret")

    def __init__(self, kind: str, value: Any) -> None:
        if kind not in self.KINDS:
            raise ValueError(f"pydantic has no secret called {kind!r}")
        self.kind = kind
        self.value = value

    def restored(self) -> Any:
        """The secret again. A subclass comes back as its base, and by its annotation as itself."""
        import pydantic

        return getattr(pydantic, self.kind)(self.value)


def is_secret_class(kind: type) -> bool:
    """Whether a class is one of secrets: ours, or one of pydantic's."""
    return issubclass(kind, Secret) or _pydantic_kind(kind) is not None


def _pydantic_kind(kind: type) -> str | None:
    pydantic = sys.modules.get("pydantic")  # who has one of its secrets has imported it
    if pydantic is None:
        return None
    return next((name for name in PydanticSecret.KINDS if issubclass(kind, getattr(pydantic, name))), None)


def revealed(value: Any) -> Any:
    """What a secret of either make holds; any other value as it is."""
    if isinstance(value, Secret):
        return value.reveal()
    return value if _pydantic_kind(type(value)) is None else value.get_secret_value()


def as_written(value: Any) -> Secret[Any] | PydanticSecret:
    """A secret of any class as one of the two that are written."""
    kind = _pydantic_kind(type(value))
    return Secret(value.reveal()) if kind is None else PydanticSecret(kind, value.get_secret_value())
