"""`Retry`: how often and when a failed activity is tried again, as users write it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from nexus_sdk.authoring.duration import Duration, optional_us, text_of, to_us
from nexus_sdk.authoring.names import check_defined_name
from nexus_sdk.core.options import RetryPolicy, RetryRule, class_name
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError, InvalidArgument

ATTEMPTS_MAX = 1_000_000_000
"""More attempts than anybody waits for; what `max_attempts` may be at most."""

ExceptionNames = tuple[type[BaseException] | str, ...]


@dataclass(frozen=True)
class Retry:
    """When and how often a failed attempt is followed by another.

    Args:
        max_attempts: attempts in all, the first included; 1 means at most once.
        initial: the delay before the second attempt.
        factor: each further delay is so many times the one before.
        max_interval: no delay is longer; 100 times `initial` by default.
        jitter: ``full`` draws each delay between nothing and its full length; ``none`` takes it as it is.
        retry_on: exceptions (classes or names) that are tried again.
        never_on: exceptions that never are, whatever `retry_on` says.
        max_duration: no further attempt starts later than this after the first.

    Raises:
        DefinitionError: a value that makes no sense.
    """

    max_attempts: int = 3
    initial: Duration = "1s"
    factor: float = 2.0
    max_interval: Duration | None = None
    jitter: Literal["full", "none"] = "full"
    retry_on: ExceptionNames = (Exception,)
    never_on: ExceptionNames = ()
    max_duration: Duration | None = None

    def __post_init__(self) -> None:
        if type(self.max_attempts) is not int or not 1 <= self.max_attempts <= ATTEMPTS_MAX:
            raise DefinitionError(
                f"Retry: max_attempts must be a whole number from 1 on, got {shown(self.max_attempts)}.",
                hint=f"1 means at most once, {ATTEMPTS_MAX:,} is the most.",
            )
        if type(self.factor) not in (int, float) or not 1 <= self.factor <= sys.float_info.max:
            raise DefinitionError(
                f"Retry: factor must be a number from 1 on, got {shown(self.factor)}.",
                hint="1 keeps every delay as long as the first; 2 doubles it each time.",
            )
        if self.jitter not in ("full", "none"):
            raise DefinitionError(
                f"Retry: jitter must be 'full' or 'none', got {shown(self.jitter)}.",
                hint="'full' draws each delay at random up to its length; 'none' takes it as it is.",
            )
        self.policy()

    def policy(self) -> RetryPolicy:
        """The same as data."""
        try:
            initial_us = to_us(self.initial, "Retry: initial")
            longest_us = optional_us(self.max_interval, "Retry: max_interval")
            duration_us = optional_us(self.max_duration, "Retry: max_duration")
        except InvalidArgument as error:
            raise DefinitionError(error.message, hint=error.hint) from None
        if longest_us is not None and longest_us < initial_us:
            raise DefinitionError(
                f"Retry: max_interval ({text_of(longest_us)}) is shorter than initial ({text_of(initial_us)}).",
                hint="No delay can be both: raise max_interval, or lower initial.",
            )
        rule = RetryRule(
            errors=_names(self.retry_on, "retry_on"),
            max_attempts=self.max_attempts,
            initial_us=initial_us,
            factor=float(self.factor),
            max_interval_us=100 * initial_us if longest_us is None else longest_us,
            jitter=self.jitter,
            max_duration_us=duration_us,
        )
        return RetryPolicy((rule,), _names(self.never_on, "never_on"))


def _names(kinds: object, what: str) -> tuple[str, ...]:
    listed = kinds if isinstance(kinds, tuple | list | set | frozenset) else (kinds,)
    names = []
    for kind in listed:
        if isinstance(kind, str):
            names.append(check_defined_name(kind, f"Retry: a name in {what}"))
        elif isinstance(kind, type) and issubclass(kind, BaseException):
            names.append(class_name(kind))
        else:
            raise DefinitionError(
                f"Retry: {what} takes exception classes or their names, got {shown(kind)}.",
                hint=f'{what}=(ValueError, "CardDeclined")',
            )
    return tuple(names)
