"""A user's own types, taught to the codec. The one rule: what a `TypeCodec` wrote, the same name reads back exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nexus_sdk.errors import DefinitionError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TypeCodec(Generic[T]):
    """How values of one class are written, and made again.

    ```python
    money = TypeCodec(Money, to_plain=lambda m: [m.cents, m.currency], from_plain=lambda p: Money(*p), name="money")
    app = Nexus(…, codec=MsgpackCodec(types=[money]))
    ```

    The name is stored beside the value, so it comes back as itself where no annotation names it, and everybody who
    reads it needs a `TypeCodec` of that name. The class may move; the name may not change.

    Attributes:
        type: the class. Not one that comes back exactly anyway (`int`, `datetime`, …).
        to_plain: an object to something that can be encoded, which may hold further objects of such types.
        from_plain: the same back. Called with plain data, dataclasses and models among it as dicts.
        name: 1 to 100 characters, unique within a codec.
        subclasses: whether `to_plain` takes instances of subclasses too. Otherwise those are refused, because they
            would come back as the class itself.
    """

    type: type[T]
    to_plain: Callable[[T], Any]
    from_plain: Callable[[Any], T]
    name: str
    subclasses: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.type, type):
            raise DefinitionError(f"TypeCodec(…): type must be a class, found {type(self.type).__name__}.")
        if not isinstance(self.name, str) or not 1 <= len(self.name) <= 100 or not self.name.isprintable():
            raise DefinitionError(
                f"TypeCodec({self.type.__qualname__}): name must be 1 to 100 printable characters.",
                hint="Choose a short name that never changes: it is stored beside each value.",
            )
        if not callable(self.to_plain) or not callable(self.from_plain):
            raise DefinitionError(f"TypeCodec({self.name!r}): to_plain and from_plain must be functions.")


class CustomTypes:
    """The `TypeCodec`s of one codec, by class and by name."""

    __slots__ = ("by_name", "by_type")

    def __init__(self, codecs: Iterable[TypeCodec[Any]] = (), *, exact: Callable[[type], bool] = lambda kind: False):
        """`exact` says of a class whether it comes back exactly without a `TypeCodec`.

        Raises:
            DefinitionError: two have one name or one class, or one is of a class that needs none.
        """
        self.by_name: dict[str, TypeCodec[Any]] = {}
        self.by_type: dict[type, TypeCodec[Any]] = {}
        for codec in codecs:
            if not isinstance(codec, TypeCodec):
                raise DefinitionError(f"types= takes TypeCodec objects, found {type(codec).__name__}.")
            if exact(codec.type):
                raise DefinitionError(
                    f"TypeCodec({codec.name!r}): {codec.type.__qualname__} comes back exactly without one.",
                    hint="Wrap it in a class of your own if it is to be written differently.",
                )
            if codec.name in self.by_name or codec.type in self.by_type:
                twice = f"name {codec.name!r}" if codec.name in self.by_name else f"class {codec.type.__qualname__}"
                raise DefinitionError(
                    f"types=: two TypeCodecs have the {twice}.", hint="Each name and each class has one TypeCodec."
                )
            self.by_name[codec.name] = codec
            self.by_type[codec.type] = codec

    def of(self, kind: type) -> TypeCodec[Any] | None:
        """The one for values of exactly this class, or of a base that takes subclasses.

        Raises:
            TypeError: a base has one that does not take subclasses.
        """
        if not self.by_type:
            return None
        for base in kind.__mro__:
            codec = self.by_type.get(base)
            if codec is not None:
                if base is kind or codec.subclasses:
                    return codec
                raise TypeError(
                    f"{kind.__qualname__} is a subclass of {base.__qualname__}, whose TypeCodec {codec.name!r} does "
                    "not take subclasses: give it its own, or set subclasses=True"
                )
        return None


NO_TYPES = CustomTypes()
