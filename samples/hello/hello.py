"""The smallest workflow that shows something: two activities with a sleep between them."""

from nexus_sdk import Context, activity, workflow


@activity
async def find_name(who: str) -> str:
    """Activities touch the world: a database, a network, a file. Here it is only a lookup."""
    return {"world": "World", "nexus": "NEXUS"}.get(who, who)


@activity
def greet(name: str) -> str:
    """Plain functions are activities too; they run in a thread."""
    return f"Hello, {name}!"


@workflow
async def hello(ctx: Context, who: str = "world"):
    """Each `yield` is a durable step: after a crash the workflow goes on behind the last one that was recorded."""
    name = yield find_name(who)
    yield ctx.sleep("3s")  # kill the process here, and run it again with the id that it printed
    greeting = yield greet(name)
    yield ctx.complete(greeting)
