"""Arguments are recorded by parameter name, and bound again to whatever the function looks like later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from nexus_sdk import Context, PayloadError, activity, workflow
from nexus_sdk.authoring.signature import Signature
from nexus_sdk.codec.values import MsgpackCodec
from tests.core.driver import Driver, value_of

CODEC = MsgpackCodec()


@dataclass
class Order:
    id: str
    total: float = 0.0


def rebound(fn: Any, recorded: Any) -> Any:
    """What the function is called with."""
    args, kwargs = Signature(fn, skip=0).unbind(CODEC.decode(CODEC.encode(recorded)), CODEC)
    return fn(*args, **kwargs)


def test_arguments_are_bound_by_name() -> None:
    def fn(a: int, b: int = 2, *, c: int = 3) -> Any:
        return a, b, c

    signature = Signature(fn, skip=0)
    assert signature.bind((1,), {}) == {"a": 1}
    assert signature.bind((1, 5), {"c": 7}) == {"a": 1, "b": 5, "c": 7}
    assert signature.bind((), {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert rebound(fn, {"a": 1, "b": 5, "c": 7}) == (1, 5, 7)
    assert rebound(fn, [1, 5]) == (1, 5, 3)


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"unknown": 1})])
def test_a_call_that_does_not_fit_is_a_type_error_that_names_the_function(call: Any) -> None:
    def fn(a: int, b: int = 2) -> None: ...

    with pytest.raises(TypeError, match=r"^\[NX102\] fn\(\): "):
        Signature(fn, skip=0).bind(*call)


def test_a_parameter_with_a_default_may_be_added_later_also_in_between() -> None:
    def later(a: int, new: str = "new", b: int = 2, *, other: int = 4) -> Any:
        return a, new, b, other

    assert rebound(later, {"a": 1, "b": 5}) == (1, "new", 5, 4)


def test_a_parameter_without_default_may_not_be_added_nor_one_removed() -> None:
    def later(a: int, new: str) -> None: ...

    with pytest.raises(PayloadError, match=r"later\(\) needs 'new', which was not recorded"):
        rebound(later, {"a": 1})
    with pytest.raises(PayloadError, match=r"no parameter 'old', which was recorded"):
        rebound(later, {"a": 1, "new": "x", "old": 2})
    with pytest.raises(PayloadError, match="the recorded arguments do not fit"):
        rebound(later, [1, 2, 3])


def test_variable_arguments_come_back() -> None:
    def fn(a: int, *rest: int, key: str = "k", **more: float) -> Any:
        return a, rest, key, more

    signature = Signature(fn, skip=0)
    recorded = signature.bind((1, 2, 3), {"key": "x", "y": 1.5})
    assert rebound(fn, recorded) == (1, (2, 3), "x", {"y": 1.5})
    assert rebound(fn, signature.bind((1,), {})) == (1, (), "k", {})


def test_variable_arguments_are_converted_one_by_one() -> None:
    def fn(*orders: Order, **named: Order) -> Any:
        return orders, named

    recorded = Signature(fn, skip=0).bind((Order("a"),), {"b": Order("b")})
    assert rebound(fn, recorded) == ((Order("a"),), {"b": Order("b")})
    with pytest.raises(PayloadError, match="orders"):
        rebound(fn, {"orders": [{"total": "x"}]})


def test_positional_only_parameters_are_recorded_by_name_too() -> None:
    def fn(a: int, /, b: int) -> Any:
        return a, b

    assert Signature(fn, skip=0).bind((1, 2), {}) == {"a": 1, "b": 2}
    assert rebound(fn, {"a": 1, "b": 2}) == (1, 2)


def test_values_become_what_the_annotation_says_and_the_argument_is_named() -> None:
    def fn(order: Order, count: int = 1) -> Any:
        return order, count

    assert rebound(fn, {"order": {"id": "x", "total": 2.0}}) == (Order("x", 2.0), 1)
    with pytest.raises(PayloadError, match=r"fn\(\): argument 'count'"):
        rebound(fn, {"order": {"id": "x"}, "count": "many"})
    with pytest.raises(PayloadError, match="argument 'order'"):
        Signature(fn, skip=0).check({"order": {"total": 1}}, CODEC)


def test_forward_references_are_resolved_where_they_can_be() -> None:
    def known(order: "Order") -> "Order":  # noqa: UP037
        return order

    def unknown(order: "Nowhere") -> "Elsewhere":  # type: ignore[name-defined]  # noqa: F821, UP037
        return order

    assert rebound(known, {"order": {"id": "x"}}) == Order("x")
    assert Signature(known, skip=0).result_type is Order
    assert rebound(unknown, {"order": {"id": "x"}}) == {"id": "x"}
    assert Signature(unknown, skip=0).result_type is Any


def test_a_workflow_is_called_with_what_was_recorded_for_it() -> None:
    @activity
    async def charge(order: Order, *, twice: bool = False) -> Order: ...  # type: ignore[empty-body]

    @workflow
    async def flow(ctx: Context, order: Order, *, note: str = "none"):
        charged = yield charge(order, twice=True)
        assert isinstance(order, Order)
        assert isinstance(charged, Order)
        yield ctx.complete([charged.id, note])

    driver = Driver(flow, Order("x"))
    scheduled = driver.turn()[-1]
    assert value_of(scheduled.arguments) == {"order": {"id": "x", "total": 0.0}, "twice": True}  # type: ignore[attr-defined]
    driver.turn(driver.done("0", {"id": "y"}))
    assert driver.result == ["y", "none"]


def test_by_name_only_the_arguments_are_recorded_by_position() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.call("charge", 1, "two", timeout="5s", task_queue="gpu")))

    driver = Driver(flow)
    scheduled: Any = driver.turn()[-1]
    assert (scheduled.name, value_of(scheduled.arguments)) == ("charge", [1, "two"])
    assert (scheduled.options.start_to_close_us, scheduled.options.task_queue) == (5_000_000, "gpu")
    driver.turn(driver.done("0", {"plain": "data"}))
    assert driver.result == {"plain": "data"}


@pytest.mark.parametrize("wrong", [("", {}), (None, {}), ("x", {"unknown": 1}), ("x", {"timeout": "soon"})])
def test_a_wrong_call_by_name_is_refused_at_its_line(wrong: Any) -> None:
    name, options = wrong

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.call(name, **options)
        except Exception as error:
            yield ctx.complete(type(error).__name__)

    assert Driver(flow).play().result in ("InvalidArgument", "DefinitionError")
