"""Snippets of workflow modules, each with everything that lint says about it: code, line, column.

Lines are counted from the snippet's first one; what stands above it in the file is `ABOVE`.
"""

from __future__ import annotations

from textwrap import dedent

ABOVE = """\
from nexus_sdk import CancelledError, Context, activity, workflow
@activity
async def charge(order): ...
@workflow
async def child(ctx: Context, x: int) -> int: ...
"""

Expected = list[tuple[str, int, int]]

SNIPPETS: dict[str, tuple[str, Expected]] = {}


def add(name: str, text: str, *expected: tuple[str, int, int]) -> None:
    assert name not in SNIPPETS, name
    SNIPPETS[name] = (dedent(text).lstrip("\n"), list(expected))


def body(name: str, text: str, *expected: tuple[str, int, int], above: str = "") -> None:
    """The body of an async generator with parameters `ctx` and `order`. Line 1 is that of `above`, or the body's."""
    lines = dedent(text).strip("\n").split("\n")
    head = dedent(above).strip("\n").split("\n") if above else []
    source = [*head, "@workflow", "async def flow(ctx: Context, order):", *(f"    {line}" for line in lines)]
    source.append("    yield ctx.complete()")
    shifted = [
        (code, line + 2 if line > len(head) else line, column + (4 if line > len(head) else 0))
        for code, line, column in expected
    ]
    add(name, "\n".join(source), *shifted)


# --- clocks -----------------------------------------------------------------------------------------------------------

body("datetime.now", "now = datetime.now()", ("NXL101", 2, 7), above="from datetime import datetime")
body("with a time zone", "now = datetime.now(UTC)", ("NXL101", 2, 7), above="from datetime import UTC, datetime")
body("utcnow", "now = datetime.datetime.utcnow()", ("NXL101", 2, 7), above="import datetime")
body("an alias of a class", "now = dt.now()", ("NXL101", 2, 7), above="from datetime import datetime as dt")
body("an alias of a module", "now = d.datetime.now()", ("NXL101", 2, 7), above="import datetime as d")
body("date.today", "day = date.today()", ("NXL101", 2, 7), above="from datetime import date")
body(
    "a method kept in a name", "x = now()", ("NXL101", 3, 5), above="from datetime import datetime\nnow = datetime.now"
)
body("time.time", "start = time.time()", ("NXL101", 2, 9), above="import time")
body("monotonic", "start = clock()", ("NXL101", 2, 9), above="from time import monotonic as clock")
body("imported inside", "import time\nstart = time.perf_counter()", ("NXL101", 2, 9))
body("localtime of now", "x = time.localtime()", ("NXL101", 2, 5), above="import time")
body("localtime of a time", "x = time.localtime(order)", above="import time")
body("strftime of now", "x = time.strftime('%Y')", ("NXL101", 2, 5), above="import time")
body("only the first of a chain", "x = datetime.now().date()", ("NXL101", 2, 5), above="from datetime import datetime")
body("two in one line", "x = time.time() - time.time()", ("NXL101", 2, 5), ("NXL101", 2, 19), above="import time")
body("time.sleep", "time.sleep(5)", ("NXL102", 2, 1), above="import time")
body("star import", "x = time()", ("NXL101", 2, 5), above="from time import *")
body("a default factory", "x = dict.fromkeys(map(time.time, order))", ("NXL101", 2, 23), above="import time")
body("ctx.now", "now = ctx.now()\nlater = now.replace(hour=3)")
body(
    "arithmetic with times",
    "x = datetime(2020, 1, 1) + timedelta(days=1)",
    above="from datetime import datetime, timedelta",
)
body("parsing a time", "x = datetime.fromisoformat(order)", above="from datetime import datetime")
body("a method of that name", "x = order.now()\ny = order.time()")
body("a local name shadows", "time = order\nx = time.time()", above="import time")
body("a parameter shadows", "x = [time.time() for time in order]", above="import time")

# --- randomness -------------------------------------------------------------------------------------------------------

body("random.random", "x = random.random()", ("NXL103", 2, 5), above="import random")
body("random.choice", "x = choice(order)", ("NXL103", 2, 5), above="from random import choice")
body("an unseeded Random", "x = random.Random()", ("NXL103", 2, 5), above="import random")
body("a seeded Random", "x = random.Random(order)\ny = x.random()", above="import random")
body("a Random from outside", "x = rng.random()", ("NXL502", 3, 5), above="import random\nrng = random.Random(7)")
body("secrets", "x = secrets.token_hex(8)", ("NXL103", 2, 5), above="import secrets")
body("os.urandom", "x = os.urandom(8)", ("NXL103", 2, 5), above="import os")
body("numpy", "x = np.random.rand(3)", ("NXL103", 2, 5), above="import numpy as np")
body("a numpy generator", "x = np.random.default_rng(7)\ny = x.normal()", above="import numpy as np")
body("uuid4", "x = uuid4()", ("NXL104", 2, 5), above="from uuid import uuid4")
body("uuid1", "x = str(uuid.uuid1())", ("NXL104", 2, 9), above="import uuid")
body("uuid5", "x = uuid.uuid5(uuid.NAMESPACE_URL, order)\ny = uuid.UUID(order)", above="import uuid")
body("ctx.random and ctx.uuid4", "x = ctx.random.choice(order)\ny = ctx.uuid4()")
body("id", "x = id(order)", ("NXL106", 1, 5))
body("hash", "x = hash(order)", ("NXL106", 1, 5))
body("sorted by id", "x = sorted(order, key=id)", ("NXL106", 1, 23))
body("a parameter called id", "x = {id: 1 for id in order}\nid = order\ny = id")

# --- environment ------------------------------------------------------------------------------------------------------

body("os.environ", "x = os.environ['HOME']", ("NXL105", 2, 5), above="import os")
body("environ by itself", "x = environ.get('HOME')", ("NXL105", 2, 5), above="from os import environ")
body("getenv", "x = os.getenv('HOME')", ("NXL105", 2, 5), above="import os")
body("platform", "x = platform.system()", ("NXL105", 2, 5), above="import platform")
body("sys.argv", "x = sys.argv[1]", ("NXL105", 2, 5), above="import sys")
body("gethostname", "x = socket.gethostname()", ("NXL105", 2, 5), above="import socket")
body("getpid", "x = os.getpid()", ("NXL105", 2, 5), above="import os")
body("sys.maxsize", "x = sys.maxsize", above="import sys")
body("a constant from the environment", "x = HOME", above="import os\nHOME = os.environ['HOME']")

# --- the world --------------------------------------------------------------------------------------------------------

body("open", "with open('x') as file:\n    x = file.read()", ("NXL201", 1, 6))
body("an own open", "x = open(order)", above="def open(what):\n    return what")
body("read_text", "x = Path('x').read_text()", ("NXL201", 2, 5), above="from pathlib import Path")
body("a joined path", "x = (Path('a') / 'b').exists()", ("NXL201", 2, 5), above="from pathlib import Path")
body("a parent", "p = Path('a')\nx = p.parent.iterdir()", ("NXL201", 3, 5), above="from pathlib import Path")
body(
    "paths as text", "p = Path('a') / order\nx = p.with_suffix('.y').name\ny = str(p)", above="from pathlib import Path"
)
body("os.listdir", "x = os.listdir('.')", ("NXL201", 2, 5), above="import os")
body("os.path", "x = os.path.join('a', 'b')\ny = os.path.exists(x)", ("NXL201", 3, 5), above="import os")
body("shutil", "shutil.rmtree('x')", ("NXL201", 2, 1), above="import shutil")
body("tempfile", "x = mkdtemp()", ("NXL201", 2, 5), above="from tempfile import mkdtemp")
body("requests", "x = requests.get(order).json()", ("NXL202", 2, 5), above="import requests")
body("a session", "s = httpx.Client()\nx = s.get(order)", ("NXL202", 2, 5), ("NXL202", 3, 5), above="import httpx")
body("urllib", "x = urllib.request.urlopen(order)", ("NXL202", 2, 5), above="import urllib.request")
body("urllib.parse", "x = urllib.parse.quote(order)", above="import urllib.parse")
body("boto3", "x = boto3.client('s3')", ("NXL202", 2, 5), above="import boto3")
body(
    "an exception of a client",
    "try:\n    yield charge(order)\nexcept requests.HTTPError:\n    raise requests.ConnectionError('x')",
    above="import requests",
)
body("a response", "y = seen.json()", above="import requests\nseen = requests.get('x')")
body("data", "x = platform.system()\ny = x.lower()", ("NXL105", 2, 5), above="import platform")
body("a client from outside", "x = s3.get_object()", ("NXL202", 3, 5), above="import boto3\ns3 = boto3.client('s3')")
body("sqlite3", "x = sqlite3.connect('x')", ("NXL203", 2, 5), above="import sqlite3")
body(
    "a thread", "threading.Thread(target=print).start()", ("NXL204", 2, 1), ("NXL701", 2, 25), above="import threading"
)
body(
    "a pool",
    "with ThreadPoolExecutor() as pool:\n    x = 1",
    ("NXL204", 2, 6),
    above="from concurrent.futures import ThreadPoolExecutor",
)
body("subprocess", "subprocess.run(['ls'])", ("NXL205", 2, 1), above="import subprocess")
body("os.system", "os.system('ls')", ("NXL205", 2, 1), above="import os")
body("input", "x = input('sure?')", ("NXL206", 1, 5))

body(
    "a lock from outside",
    "with lock:\n    yield charge(1)",
    ("NXL204", 3, 6),
    above="import threading\nlock = threading.Lock()",
)
body(
    "an own block",
    "with order.open() as x, nullcontext():\n    yield charge(x)",
    above="from contextlib import nullcontext",
)

# --- event loops ------------------------------------------------------------------------------------------------------

body("asyncio.sleep", "await asyncio.sleep(1)", ("NXL301", 2, 7), above="import asyncio")
body("asyncio.gather", "x = await asyncio.gather(charge(1), charge(2))", ("NXL301", 2, 11), above="import asyncio")
body("create_task", "x = asyncio.create_task(order)", ("NXL301", 2, 5), above="import asyncio")
body("wait_for", "x = await wait_for(charge(1), 5)", ("NXL301", 2, 11), above="from asyncio import wait_for")
body(
    "a lock", "async with lock:\n    yield charge(1)", ("NXL301", 3, 12), above="import asyncio\nlock = asyncio.Lock()"
)
body(
    "asyncio.timeout", "async with asyncio.timeout(5):\n    yield charge(1)", ("NXL301", 2, 12), above="import asyncio"
)
body(
    "foreign async with", "async with acme.connect() as x:\n    yield charge(x)", ("NXL302", 2, 12), above="import acme"
)
body("foreign async for", "async for x in acme.stream():\n    yield charge(x)", ("NXL302", 2, 16), above="import acme")
body(
    "foreign and forbidden",
    "async with httpx.AsyncClient() as x:\n    yield charge(1)",
    ("NXL202", 2, 12),
    above="import httpx",
)
body(
    "an exit stack",
    "async with AsyncExitStack() as stack:\n    await stack.enter_async_context(ctx.saga())",
    above="from contextlib import AsyncExitStack",
)
body(
    "scopes of ctx",
    "async with ctx.saga() as saga, ctx.timeout('1h'):\n    saga.add(charge(order))\n    yield charge(order)",
)
body("an unknown object", "async with order.lock():\n    x = await order.get()")
body(
    "asyncio's CancelledError",
    "try:\n    yield charge(1)\nexcept asyncio.CancelledError:\n    x = 1",
    ("NXL303", 4, 8),
    above="import asyncio",
)

# --- operations -------------------------------------------------------------------------------------------------------

body("a forgotten yield", "charge(order)", ("NXL401", 1, 1))
body("a forgotten sleep", "ctx.sleep('1h')", ("NXL401", 1, 1))
body("a forgotten child", "child.options(id='x')(1)", ("NXL401", 1, 1))
body("forgotten options", "charge.options(timeout='1s')(order)", ("NXL401", 1, 1))
body("a forgotten complete", "if order:\n    ctx.complete(1)", ("NXL401", 2, 5))
body("a forgotten scope", "ctx.timeout('1h')", ("NXL401", 1, 1))
body("an operation that is tested", "if ctx.wait_for_event('x'):\n    yield charge(1)", ("NXL401", 1, 4))
body("an operation that is compared", "x = child(1) == 2", ("NXL401", 1, 5))
body("an operation in an f-string", "x = f'{charge(order)}'", ("NXL401", 1, 8))
body("an operation that is subscripted", "x = charge(order)['id']", ("NXL401", 1, 5))
body("an operation as an argument", "yield charge(child(1))", ("NXL401", 1, 14))
body("an operation as a result", "yield ctx.complete(charge(order))", ("NXL401", 1, 20))
body("a loop over an operation", "for x in ctx.map(charge, order):\n    x = 1", ("NXL401", 1, 10))
body("an operation never used", "x = charge(order)\nyield ctx.sleep(1)", ("NXL402", 1, 5))
body("an operation used later", "x = charge(order)\ny = child(1)\nyield ctx.gather(x, y)")
body("an operation as a keyword", "yield charge(order=child(1))", ("NXL401", 1, 20))
body("ctx as an argument", "yield charge(ctx)", ("NXL407", 1, 14))
body("spawned", "ctx.spawn(charge(order))")
body("spawned and cancelled", "ctx.spawn(charge(order)).cancel()")
body("many in a list", "ops = [charge(x) for x in order]\nyield ctx.gather(*ops)")
body("raced", "x = yield ctx.race(a=charge(1), b=ctx.sleep(1))\nif x.name == 'a':\n    yield x.value")
body("a walrus", "while (x := (yield charge(1))) is None:\n    yield ctx.sleep(1)")
body("a forgotten await", "helper(ctx)", ("NXL401", 3, 1), above="async def helper(ctx):\n    await ctx.sleep(1)")
body("an activity made by a call", "pay(1)", ("NXL401", 2, 1), above="pay = activity(retry=None)(print)")
body("an unknown call", "order.update()\nmake(order)", above="from elsewhere import make")
body("a yielded number", "yield 5", ("NXL403", 1, 7))
body("a bare yield", "yield", ("NXL403", 1, 1))
body("a yielded list", "yield [charge(1), charge(2)]", ("NXL403", 1, 7))
body("a yielded helper", "yield helper(ctx)", ("NXL403", 3, 7), above="async def helper(ctx):\n    await ctx.sleep(1)")
body("a yielded answer", "x = yield ctx.now()", ("NXL403", 1, 11))
body("a yielded scope", "yield ctx.saga()", ("NXL403", 1, 7))
body("unreachable", "raise KeyError\nyield")
body("a return value", "return order", ("NXL404", 1, 1))
body("a bare return", "return")
body("the raw function", "x = await charge.fn(order)", ("NXL406", 1, 11))
body("activity_info", "x = activity_info()", ("NXL408", 2, 5), above="from nexus_sdk import activity_info")
body("heartbeat", "nexus_sdk.heartbeat(1)", ("NXL408", 2, 1), above="import nexus_sdk")
body(
    "a client",
    "x = app.run(child, 1)",
    ("NXL409", 3, 5),
    above="from nexus_sdk import Nexus\napp = Nexus(workflows=[child])",
)
add("a coroutine workflow that forgets", "@workflow\nasync def flow(ctx):\n    return charge(1)", ("NXL401", 3, 12))
add("a coroutine workflow", "@workflow\nasync def flow(ctx) -> int:\n    x = await charge(1)\n    return x")
add("a plain workflow", "@workflow\ndef flow(ctx):\n    return 1", ("NXL405", 2, 1))
add("a context in an activity", "@activity\ndef act(ctx: Context, x: int): ...", ("NXL407", 2, 9))
add(
    "a context around an activity",
    "@workflow\nasync def flow(ctx):\n    @activity\n    def act():\n        return ctx.now()\n    yield act()",
    ("NXL407", 5, 16),
)

# --- sets -------------------------------------------------------------------------------------------------------------

body("a loop over a set", "for x in {order, 'b'}:\n    yield charge(x)", ("NXL107", 1, 10))
body("a set in a name", "seen = set(order)\nfor x in seen:\n    yield charge(x)", ("NXL107", 2, 10))
body("sorted", "for x in sorted(set(order)):\n    yield charge(x)")
body("a list of a set", "x = list(set(order))", ("NXL107", 1, 10))
body("enumerate", "for i, x in enumerate(set(order) - {'b'}):\n    yield charge(x)", ("NXL107", 1, 23))
body("a comprehension", "x = [y for y in set(order)]", ("NXL107", 1, 17))
body("counted", "x = len(set(order)) + sum(y for y in set(order)) + max(set(order))")
body("a set of a set", "x = {y.lower() for y in set(order)}\nz = 'a' in x")
body("joined", "x = ', '.join(set(order))", ("NXL107", 1, 15))
body("popped", "seen = set(order)\nx = seen.pop()", ("NXL107", 2, 5))
body("starred", "yield ctx.gather(*{charge(x) for x in order})", ("NXL107", 1, 19))
body("mapped", "yield ctx.map(charge, frozenset(order))", ("NXL107", 1, 23))
body("by annotation", "seen: set[str] = order\nfor x in seen:\n    yield charge(x)", ("NXL107", 2, 10))
body("a union", "for x in set(order).union('b'):\n    yield charge(x)", ("NXL107", 1, 10))
body("a union of keys", "a = {}\nfor x in a.keys() & order:\n    yield charge(x)", ("NXL107", 2, 10))
body("keys", "a = dict(order)\nfor x in a.keys():\n    yield charge(x)\nfor x in a:\n    yield charge(x)")
body("small numbers", "for x in {1, 2}:\n    yield charge(x)")
body(
    "a set that is only asked",
    "seen = set()\nfor x in order:\n    if x not in seen:\n        seen.add(x)\n        yield charge(x)",
)
add(
    "the field of a model",
    """
    class Order:
        tags: set[str]
    @workflow
    async def flow(ctx: Context, order: Order):
        for tag in order.tags:
            yield charge(tag)
    """,
    ("NXL107", 5, 16),
)
add(
    "the result of an activity",
    """
    @activity
    def tags() -> set[str]: ...
    @workflow
    async def flow(ctx: Context):
        for tag in (yield tags()):
            yield charge(tag)
    """,
    ("NXL107", 5, 17),
)

# --- what outlives the run --------------------------------------------------------------------------------------------

body("global", "global COUNT\nCOUNT += 1", ("NXL501", 3, 1), above="COUNT = 0")
body("a module's list", "SEEN.append(order)", ("NXL502", 2, 1), above="SEEN = []")
body("a module's dict", "CACHE[order] = 1\ndel CACHE[order]", ("NXL502", 2, 1), ("NXL502", 3, 5), above="CACHE = {}")
body("an attribute of a module", "config.x = 1", ("NXL502", 2, 1), above="import config")
body("environ written", "os.environ['x'] = '1'", ("NXL105", 2, 1), above="import os")
body("own lists", "seen = []\nseen.append(order)\nseen[0] = 1\norder['x'] = 1")
body("a module's constant", "x = LIMITS['a']\ny = NAMES.index('b')", above="LIMITS = {'a': 1}\nNAMES = ['b']")
body(
    "nonlocal inside",
    "n = 0\nasync def one(x):\n    nonlocal n\n    n += 1\n    await charge(x)\nyield ctx.map(one, order)",
)
add(
    "nonlocal around",
    """
    def make():
        n, seen = 0, []
        @workflow
        async def flow(ctx: Context):
            nonlocal n
            n += 1
            seen.append(n)
            yield ctx.complete()
        return flow
    """,
    ("NXL501", 6, 9),
    ("NXL502", 7, 9),
)
add(
    "a rewritten global",
    """
    LIMIT = 1
    def load():
        global LIMIT
        LIMIT = 2
    @workflow
    async def flow(ctx: Context):
        yield charge(LIMIT)
    """,
    ("NXL503", 7, 18),
)
body("decides by replaying", "if not ctx.is_replaying:\n    yield charge(order)", ("NXL504", 1, 8))
body("counts unless replaying", "if not ctx.is_replaying:\n    order.count()")

# --- ends -------------------------------------------------------------------------------------------------------------

body("except BaseException", "try:\n    yield charge(1)\nexcept BaseException:\n    x = 1", ("NXL601", 3, 8))
body("a bare except", "try:\n    yield charge(1)\nexcept:\n    x = 1", ("NXL601", 3, 1))
body("in a tuple", "try:\n    yield charge(1)\nexcept (KeyError, BaseException):\n    x = 1", ("NXL601", 3, 8))
body("raised again", "try:\n    yield charge(1)\nexcept BaseException:\n    yield charge(2)\n    raise")
body("around no operation", "try:\n    x = int(order)\nexcept:\n    x = 1")
body("our CancelledError", "try:\n    yield charge(1)\nexcept CancelledError:\n    yield charge(2)")
body(
    "suppressed",
    "with suppress(BaseException):\n    yield charge(1)",
    ("NXL601", 2, 6),
    above="from contextlib import suppress",
)
body("return in finally", "try:\n    yield charge(1)\nfinally:\n    return", ("NXL602", 4, 5))
body("a break inside finally", "try:\n    yield charge(1)\nfinally:\n    for x in order:\n        break")
body("durable work in finally", "try:\n    yield charge(1)\nfinally:\n    yield charge(2)")
add(
    "finally in a helper",
    """
    async def helper(ctx):
        try:
            await ctx.sleep(1)
        finally:
            await charge(2)
    @workflow
    async def flow(ctx: Context):
        await helper(ctx)
    """,
)
add(
    "finally in a generator that is iterated",
    """
    async def pages(ctx):
        try:
            yield await charge(1)
        finally:
            await charge(2)
    @workflow
    async def flow(ctx: Context):
        async for page in pages(ctx):
            yield charge(page)
    """,
    ("NXL604", 5, 9),
)
body("while True", "while True:\n    yield ctx.sleep('1d')", ("NXL603", 1, 1))
body("count", "for n in count():\n    yield charge(n)", ("NXL603", 2, 1), above="from itertools import count")
body("while True with break", "while True:\n    if (yield charge(1)):\n        break")
body(
    "a break of another loop", "while True:\n    for x in order:\n        break\n    yield charge(1)", ("NXL603", 1, 1)
)
body("while True that continues", "while True:\n    yield ctx.sleep(1)\n    yield ctx.continue_as_new(order)")
body(
    "while True with a helper that ends it",
    "while True:\n    await turn(ctx)",
    above="async def turn(ctx):\n    await ctx.sleep(1)\n    await ctx.continue_as_new(1)",
)
body("while True in a time limit", "async with ctx.timeout('1d'):\n    while True:\n        yield ctx.sleep(1)")
body(
    "while True left by an error",
    "try:\n    while True:\n        yield ctx.wait_for_event('x', timeout=1)\nexcept KeyError:\n    x = 1",
)
body("spinning", "while True:\n    order += 1", ("NXL603", 1, 1))

# --- what is said -----------------------------------------------------------------------------------------------------

body("print", "print(order)", ("NXL701", 1, 1))
body("logging", "logging.info('x')", ("NXL701", 2, 1), above="import logging")
body("a logger", "log.info('x')", ("NXL701", 3, 1), above="import logging\nlog = logging.getLogger(__name__)")
body("ctx.log", "ctx.log.info('x', order=order)")

# --- where ------------------------------------------------------------------------------------------------------------

add("not in activities", "import time\n@activity\ndef act():\n    return time.time()")
add("not in other functions", "import time\ndef other():\n    return time.time()")
add("not at import", "import time\nSTART = time.time()\n@workflow\nasync def flow(ctx):\n    yield charge(1)")
body(
    "not in side_effect",
    "x = yield ctx.side_effect(lambda: time.time())\ny = yield ctx.side_effect(time.time)",
    above="import time",
)
body("not in a side_effect's function", "def read():\n    return open('x').read()\nx = yield ctx.side_effect(read)")
body(
    "not in a partial",
    "x = yield ctx.side_effect(partial(randint, 1, 6))",
    above="from functools import partial\nfrom random import randint",
)
body("not in queries", "ctx.on_query('x', lambda: time.time())", above="import time")
body("a side_effect that is called", "x = yield ctx.side_effect(time.time())", ("NXL101", 2, 27), above="import time")
body("in lambdas", "x = max(order, key=lambda y: time.time())", ("NXL101", 2, 30), above="import time")
body(
    "in nested functions",
    "async def one(x):\n    return await charge(time.time())\nyield ctx.map(one, order)",
    ("NXL101", 3, 25),
    above="import time",
)
body("not in nested functions that nobody uses", "def one(x):\n    return time.time()", above="import time")
body("in helpers", "x = late()", ("NXL101", 3, 12), above="import time\ndef late():\n    return time.time() > 5")
body(
    "in helpers of helpers",
    "x = a()",
    ("NXL101", 5, 12),
    above="import time\ndef a():\n    return b()\ndef b():\n    return time.time()",
)
body(
    "in a helper that is handed on",
    "x = sorted(order, key=late)",
    ("NXL101", 3, 12),
    above="import time\ndef late(x):\n    return time.time()",
)
add(
    "in methods",
    """
    import time
    class Order:
        def __post_init__(self):
            self.made = time.time()
        def is_late(self):
            return self.age > 5
        @property
        def age(self):
            return time.time()
    @workflow
    async def flow(ctx: Context, order: Order):
        if order.is_late():
            yield charge(Order())
    """,
    ("NXL101", 4, 21),
    ("NXL101", 9, 16),
)
add(
    "an alias of the decorator",
    """
    import time
    from nexus_sdk import workflow as wf
    @wf(name='x')
    async def flow(c):
        yield c.sleep(time.time())
    """,
    ("NXL101", 5, 19),
)
add(
    "the module's name",
    """
    import time
    import nexus_sdk as nx
    @nx.workflow
    async def flow(c):
        yield c.sleep(time.time())
    """,
    ("NXL101", 5, 19),
)
add(
    "the decorator's own home",
    """
    import time
    from nexus_sdk.authoring.workflow import workflow as w
    @w
    async def flow(c):
        yield c.sleep(time.time())
    """,
    ("NXL101", 5, 19),
)
add(
    "a decorator of another package",
    "import time\nfrom elsewhere import workflow\n@workflow\nasync def flow(c):\n    yield time.time()",
)
add(
    "made by a call",
    """
    async def raw(c):
        yield c.wait_for_event(time.time())
        yield 5
    flow = workflow(name="x")(raw)
    import time
    """,
    ("NXL101", 2, 28),
    ("NXL403", 3, 11),
)
add(
    "every definition of one name",
    """
    import time
    @workflow
    async def flow(ctx):
        yield ctx.sleep(time.time())
    @workflow(version='2')
    async def flow(ctx):
        yield ctx.sleep(time.time())
    """,
    ("NXL101", 4, 21),
    ("NXL101", 7, 21),
)
add(
    "wide letters",
    "import time\n@workflow\nasync def flow(ctx):\n    yield charge('日本', time.time())",
    ("NXL101", 4, 24),
)
