"""`Retry`: what users write, and the data it becomes."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import DefinitionError, Retry
from nexus_sdk.core.failure import Failure, lineage_of
from nexus_sdk.core.options import RetryPolicy, RetryRule


def test_the_default_is_the_documented_one() -> None:
    policy = Retry().policy()
    assert policy == RetryPolicy((RetryRule(),), ())
    rule = policy.rules[0]
    assert (rule.max_attempts, rule.initial_us, rule.factor, rule.max_interval_us) == (3, 1_000_000, 2.0, 100_000_000)
    assert (rule.jitter, rule.errors, rule.max_duration_us) == ("full", ("builtins:Exception",), None)


def test_the_longest_interval_follows_the_first() -> None:
    assert Retry(initial="5s").policy().rules[0].max_interval_us == 500_000_000
    assert Retry(initial="5s", max_interval="1m").policy().rules[0].max_interval_us == 60_000_000


def test_kinds_may_be_classes_names_single_or_several() -> None:
    policy = Retry(retry_on=(OSError, "Flaky"), never_on=(FileNotFoundError,)).policy()
    assert policy.rules[0].errors == ("builtins:OSError", "Flaky")
    assert policy.never_on == ("builtins:FileNotFoundError",)
    assert Retry(retry_on=OSError).policy().rules[0].errors == ("builtins:OSError",)  # type: ignore[arg-type]
    assert Retry(retry_on="Flaky").policy().rules[0].errors == ("Flaky",)  # type: ignore[arg-type]
    assert Retry(never_on=[KeyError]).policy().never_on == ("builtins:KeyError",)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_attempts": value} for value in (0, -1, 1.5, "3", True, None)),
        *({"factor": value} for value in (0, 0.5, -1, float("nan"), float("inf"), "2")),
        *({"initial": value} for value in (-1, "soon", None, "1 fortnight")),
        *({"max_interval": value} for value in (-1, "late")),
        *({"max_duration": value} for value in (-1, "for ever")),
        *({"jitter": value} for value in ("half", None, True)),
        *({"retry_on": value} for value in ((1,), (int,), None)),
        *({"never_on": value} for value in ((None,), (object(),))),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=f"Retry.*{next(iter(wrong)).split('_')[0]}"):
        Retry(**wrong)


def test_a_failure_is_matched_by_class_subclass_and_name() -> None:
    failure = Failure("FileNotFoundError", "gone", lineage_of(FileNotFoundError()))
    for kind in (FileNotFoundError, OSError, Exception, "FileNotFoundError", "OSError", "builtins:OSError"):
        assert failure.is_type(kind), kind
    for kind in (ValueError, "ValueError", "NotFound", "builtins"):
        assert not failure.is_type(kind), kind
    assert Failure("OutOfStock", "", ("shop:ApplicationError",)).is_type("OutOfStock")


def test_the_most_attempts_of_any_rule_bound_a_dying_worker() -> None:
    assert RetryPolicy((RetryRule(max_attempts=2), RetryRule(max_attempts=5))).max_attempts == 5
    assert RetryPolicy(()).max_attempts == 1
