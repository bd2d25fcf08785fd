"""Starting instances: once per id and per request, however many try."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import Context, DefinitionError, InstanceExists, InvalidArgument, PayloadError, activity, workflow

RAN: list[int] = []


@activity
async def note(x: int) -> int:
    RAN.append(x)
    return x


@workflow
async def noting(ctx: Context, x: int, times: int = 1) -> int:
    for _ in range(times):
        await note(x)
    return x


@workflow
async def stranger(ctx: Context) -> None: ...


@pytest.fixture
async def env(environment: Any) -> Any:
    RAN.clear()
    return await environment(noting, note)


async def test_of_many_starts_with_one_id_exactly_one_wins(env: Any) -> None:
    starts = [env.client.start(noting, 1, id="it") for _ in range(20)]
    results = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(result, InstanceExists) for result in results) == 19
    assert await env.get("it").result() == 1
    assert RAN == [1]


async def test_who_attaches_gets_the_same_result(env: Any) -> None:
    starts = [env.client.start(noting, 1, id="it", on_conflict="attach") for _ in range(20)]
    handles = await asyncio.gather(*starts)
    await env.settle()
    assert [await handle.result() for handle in handles] == [1] * 20
    assert RAN == [1]
    assert await (await env.client.start(noting, 1, id="it", on_conflict="attach")).result() == 1


@pytest.mark.parametrize("call", [lambda: noting(2), lambda: noting(1, 2)])
async def test_attaching_with_other_arguments_is_refused(env: Any, call: Any) -> None:
    await env.run(noting, 1, id="it")
    with pytest.raises(InstanceExists, match="other arguments"):
        await env.start(call(), id="it", on_conflict="attach")


async def test_attaching_with_another_workflow_is_refused(environment: Any) -> None:
    env = await environment(noting, stranger, note)
    await env.run(noting, 1, id="it")
    with pytest.raises(InstanceExists, match="another workflow"):
        await env.start(stranger, id="it", on_conflict="attach")


async def test_the_same_request_again_gives_the_same_handle(env: Any) -> None:
    first = await env.start(noting, 1, id="it", request_id="click")
    again = await env.start(noting, 1, id="it", request_id="click")
    assert first.id == again.id == "it"
    with pytest.raises(InstanceExists):
        await env.start(noting, 1, id="it", request_id="other click")
    assert await first.result() == await again.result() == 1
    assert (await env.start(noting, 1, id="it", request_id="click")).id == "it"
    assert RAN == [1]


async def test_the_same_request_again_needs_no_id(env: Any) -> None:
    first = await env.start(noting, 1, request_id="click")
    again = await env.start(noting, 1, request_id="click")
    assert first.id == again.id
    assert (await env.start(noting, 1, request_id="another")).id != first.id
    assert await env.client.count() == 2


@pytest.mark.parametrize("options", [{}, {"id": "it"}, {"id": "it", "on_conflict": "attach"}], ids=str)
async def test_the_same_request_with_other_arguments_is_refused(env: Any, options: Any) -> None:
    first = await env.start(noting, 1, request_id="click", **options)
    for call in (lambda: noting(2), lambda: noting(1, 2)):
        with pytest.raises(InstanceExists, match=r"other arguments.* by the same request, 'click'") as caught:
            await env.start(call(), request_id="click", **options)
        assert caught.value.message.startswith(first.id)
    assert await first.result() == 1
    with pytest.raises(InstanceExists):
        await env.start(noting, 2, request_id="click", **options)
    assert (await env.start(noting(x=1), request_id="click", **options)).id == first.id


async def test_the_same_request_for_another_workflow_is_refused(environment: Any) -> None:
    env = await environment(noting, stranger, note)
    await env.start(noting, 1, request_id="click")
    with pytest.raises(InstanceExists, match="another workflow"):
        await env.start(stranger, request_id="click")


async def test_arguments_go_by_name_with_a_bound_call(env: Any) -> None:
    assert await env.run(noting(x=3, times=2)) == 3
    assert RAN == [3, 3]


async def test_an_id_is_made_where_none_is_given(env: Any) -> None:
    one, two = await env.start(noting, 1), await env.start(noting, 1)
    assert one.id != two.id


@pytest.mark.parametrize("id", ["", " a", "a ", "nexus:mine", "x" * 257, "a\nb", 7])
async def test_ids_that_make_no_sense_are_refused(env: Any, id: Any) -> None:
    with pytest.raises(InvalidArgument):
        await env.start(noting, 1, id=id)
    with pytest.raises(InvalidArgument):
        env.client.get(id)


async def test_arguments_are_checked_where_they_are_given(env: Any) -> None:
    with pytest.raises(PayloadError, match="'x'"):
        await env.start(noting, "many")
    with pytest.raises(DefinitionError, match="x"):
        await env.start(noting)
    with pytest.raises(DefinitionError):
        await env.start(noting, 1, 2, 3)
    with pytest.raises(PayloadError):
        await env.start(noting, object())
    assert await env.client.count() == 0


async def test_what_the_app_does_not_serve_cannot_be_started(env: Any) -> None:
    with pytest.raises(DefinitionError, match="stranger"):
        await env.start(stranger)
    with pytest.raises(DefinitionError, match="Did you mean 'noting'"):
        await env.start("notin")
    with pytest.raises(DefinitionError):
        await env.start(note)


@pytest.mark.parametrize(
    "options",
    [{"delay": "soon"}, {"delay": -1}, {"on_conflict": "ignore"}, {"attributes": {"a": [1]}}, {"request_id": ""}],
)
async def test_options_that_make_no_sense_are_refused(env: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await env.start(noting, 1, **options)


async def test_a_client_needs_no_worker(environment: Any) -> None:
    RAN.clear()
    env = await environment(noting, note, has_worker=False)
    handle = await env.start(noting, 1)
    await handle.send_event("anything", {"at": "all"})
    assert (await handle.status()).status == "pending"
    assert len(await handle.history()) == 1
    assert await env.client.exists(handle.id)
    assert not await env.client.exists("nobody")
    waiting = asyncio.ensure_future(env.client.get(handle.id).result())
    await env.settle()
    assert not waiting.done()
    async with env.another_worker():
        await env.settle()
        assert await waiting == 1
