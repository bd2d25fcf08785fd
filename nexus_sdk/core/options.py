"""How an activity is to be run, as data that other languages and policies can read. Durations in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_QUEUE = "default"


def class_name(kind: type[BaseException]) -> str:
    """The name under which retry rules and `Failure.lineage` list a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """For failures of these types: how often, and after which delays.

    Attributes:
        errors: names matched against the failure's type and lineage (see `Failure.is_type`).
        max_attempts: attempts in all, the first one included.
        initial_us: the delay before the second attempt.
        factor: each further delay is this many times the one before.
        max_interval_us: no delay is longer.
        jitter: ``full`` draws each delay evenly between 0 and its full length; ``none`` takes it as it is.
        max_duration_us: no further attempt starts later than this after the first one started.
    """

    errors: tuple[str, ...] = ("builtins:Exception",)
    max_attempts: int = 3
    initial_us: int = 1_000_000
    factor: float = 2.0
    max_interval_us: int = 100_000_000
    jitter: str = "full"
    max_duration_us: int | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Rules in order: the first that names the failure decides. A failure that none names is not retried."""

    rules: tuple[RetryRule, ...] = (RetryRule(),)
    never_on: tuple[str, ...] = ()

    @property
    def max_attempts(self) -> int:
        """The most attempts that any rule allows: what bounds the attempts of a worker that keeps dying."""
        return max((rule.max_attempts for rule in self.rules), default=1)


@dataclass(frozen=True, slots=True)
class ActivityOptions:
    """Everything the schedule of an activity says besides its name and arguments.

    Attributes:
        task_queue: where it is put.
        start_to_close_us: one attempt may take this long.
        schedule_to_close_us: all attempts and the waits between them together.
        heartbeat_us: an attempt that is silent for this long is given up.
        local: run inside the orchestrator's own invocation, without a queue hop.
        tags, effect: for policies; not read by the engine.
    """

    task_queue: str = DEFAULT_QUEUE
    retry: RetryPolicy = RetryPolicy()
    start_to_close_us: int | None = None
    schedule_to_close_us: int | None = None
    heartbeat_us: int | None = None
    local: bool = False
    compensation: str | None = None
    tags: tuple[str, ...] = ()
    effect: str = "write"
