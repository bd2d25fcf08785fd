"""Mocks: what answers in place of an activity or a child workflow.

The one rule: a mock takes the place of the function and of nothing else. Arguments are bound, checked and decoded as
for the real one, results go through the codec, failures are retried.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from nexus_sdk.core.shown import shown
from nexus_sdk.errors import ApplicationError, InvalidArgument, MockExhausted

UNSET: Any = object()
"""An option that was not given."""


class Mock:
    """What answers in place of one definition.

    Args:
        what: what it stands for, in words: ``activity 'charge'``.
        returns: the answer to every call.
        raises: an exception, or a class of exceptions, that every call raises.
        sequence: the answers to one call after another; exceptions in it are raised.
        calls: a function that is called with the arguments; what it returns or raises is the answer.

    Raises:
        InvalidArgument: more than one of these, or one that makes no sense.
    """

    def __init__(
        self,
        what: str,
        *,
        returns: Any = UNSET,
        raises: Any = UNSET,
        sequence: Any = UNSET,
        calls: Any = UNSET,
    ) -> None:
        given = {"returns": returns, "raises": raises, "sequence": sequence, "calls": calls}
        named = [name for name, value in given.items() if value is not UNSET]
        if len(named) > 1:
            raise InvalidArgument(
                f"the mock of {what} has {' and '.join(f'{name}=' for name in named)}.", hint="Give it one of them."
            )
        if raises is not UNSET and not _is_exception(raises):
            raise InvalidArgument(f"the mock of {what}: raises= takes an exception, got {shown(raises)}.")
        if sequence is not UNSET and (isinstance(sequence, str | bytes) or not isinstance(sequence, Iterable)):
            raise InvalidArgument(f"the mock of {what}: sequence= takes a list of answers, got {shown(sequence)}.")
        if calls is not UNSET and not callable(calls):
            raise InvalidArgument(f"the mock of {what}: calls= takes a function, got {shown(calls)}.")
        self.what = what
        self._given = {**given, "sequence": list(sequence) if sequence is not UNSET else UNSET}
        self._drawn: dict[Hashable, int] = {}

    def anew(self) -> Mock:
        """The same mock at its beginning."""
        return Mock(self.what, **self._given)

    @property
    def is_async(self) -> bool:
        """Whether its answers have to be awaited, as far as can be seen."""
        return inspect.iscoroutinefunction(self._given["calls"])

    def answer(self, key: Hashable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The answer to a call: a value, or something to be awaited for it.

        Args:
            key: which call this is. One that is made again, because its worker was lost, gets the same item.
            args: the positional arguments.
            kwargs: those that can only be given by name.

        Raises:
            MockExhausted: the sequence has no item for this call.
            BaseException: what the mock was told to raise.
        """
        returns, calls, sequence = self._given["returns"], self._given["calls"], self._given["sequence"]
        if calls is not UNSET:
            return calls(*args, **kwargs)
        if self._given["raises"] is not UNSET:
            raise _made(self._given["raises"])
        if sequence is UNSET:
            return None if returns is UNSET else returns
        index = self._drawn.setdefault(key, len(self._drawn))
        if index >= len(sequence):
            raise MockExhausted(
                f"{self.what} was called {_times(index + 1)}, the sequence of its mock has {_items(len(sequence))}.",
                hint="Give the sequence an item for each attempt, or use returns= for an answer that stays the same.",
            )
        item = sequence[index]
        if _is_exception(item):
            raise _made(item)
        return item

    def __repr__(self) -> str:
        return f"<mock of {self.what}>"


def as_failure(error: MockExhausted) -> ApplicationError:
    """How the workflow sees it: a failure that is not retried."""
    return ApplicationError(error.message, type=type(error).__name__, retryable=False)


def _is_exception(item: Any) -> bool:
    return isinstance(item, BaseException) or (isinstance(item, type) and issubclass(item, BaseException))


def _made(item: Any) -> BaseException:
    """The exception to raise: without the traceback of the last time."""
    error: BaseException = item() if isinstance(item, type) else item
    return error.with_traceback(None)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"
