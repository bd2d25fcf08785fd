"""hello, without waiting: the clock jumps."""

from datetime import timedelta

from hello import find_name, greet, hello

from nexus_sdk.testing import WorkflowEnvironment


async def test_it_greets():
    async with WorkflowEnvironment(workflows=[hello], activities=[find_name, greet]) as env:
        before = env.now
        assert await env.run(hello) == "Hello, World!"
        assert await env.run(hello, "you") == "Hello, you!"
        assert env.now - before == timedelta(seconds=6)


async def test_it_goes_on_after_a_crash():
    async with WorkflowEnvironment(workflows=[hello], activities=[find_name, greet], clock="manual") as env:
        handle = await env.start(hello)
        await env.advance("1s")
        await env.restart_worker()  # killed during the sleep
        await env.advance("2s")
        assert await handle.result() == "Hello, World!"
        names = [event.name for event in await env.history(handle) if type(event).__name__ == "ActivityScheduled"]
        assert names == ["find_name", "greet"]
