"""How long a Lambda function takes from nothing to its first turn: ``python -m benchmarks.aws_cold_start --reps 9``.

Each repetition is a fresh interpreter that imports an app, makes the handler and is invoked with a message that rings
for a new instance; it ends when the first turn is committed. AWS is the emulator of the tests: what *waiting* says is
its time, not theirs. Everything is compiled first, as an installation does. The bare interpreter is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
EMULATOR = ROOT / "tests" / "providers" / "nexus_aws" / "moto_server.py"

TABLE = "cold-start"

APP = """
from nexus_sdk import Context, Nexus, activity, workflow

@activity
async def charge(order: str) -> str:
    return order

@workflow
async def fulfil(ctx: Context, order: str) -> str:
    await ctx.wait_for_event("approved", bool)
    return await charge(order)

app = Nexus("dynamodb://cold-start?region=us-east-1", workflows=[fulfil], activities=[charge])
"""

FUNCTION = """
import json, sys, time
laps, at = {}, [time.perf_counter(), time.process_time()]
def lap(name):
    wall, cpu = time.perf_counter(), time.process_time()
    laps[name] = [wall - at[0], cpu - at[1]]
    at[:] = [time.perf_counter(), time.process_time()]

from cold_app import app
lap("the package, and definitions")
import asyncio
lap("asyncio")
from nexus_aws import lambda_handler
lap("the store and the handler")
handler = lambda_handler(app)
lap("opening the store")
import nexus_aws.messages
lap("the engine")
app.codec, app.environment
lap("codec and environment")
from http.client import HTTPConnection
lap("http")

class Context:
    def get_remaining_time_in_millis(self):
        return 30_000

waited = [0.0]
def timed(verb):
    def run(*args, **named):
        began = time.perf_counter()
        try:
            return verb(*args, **named)
        finally:
            waited[0] += time.perf_counter() - began
    return run
for verb in ("connect", "getresponse"):
    setattr(HTTPConnection, verb, timed(getattr(HTTPConnection, verb)))
body = json.dumps([sys.argv[1], "", 0, 0, 1, "nexus:turns"])
answer = handler({"Records": [{"messageId": "m", "receiptHandle": "none", "body": body}]}, Context())
lap("the first turn")
laps["the first turn"][0] -= waited[0]
laps["waiting for the emulator"] = [waited[0], 0.0]
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"laps": laps, "answer": answer, "loaded": loaded}))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=9)
    parser.add_argument("--json", type=Path, help="a file for every number of every repetition")
    given = parser.parse_args(arguments)
    runs = measured(given.reps)
    if given.json is not None:
        given.json.write_text(json.dumps(runs))
    names = list(runs[0]["laps"])
    rows = [(name, *(1_000 * median(run["laps"][name][of] for run in runs) for of in (0, 1))) for name in names]
    print(f"{'':32}{'wall ms':>10}{'cpu ms':>10}")
    for name, wall, cpu in rows:
        print(f"{name:32}{wall:10.0f}{cpu:10.0f}")
    for name, left_out in (("all", ()), ("all but waiting", ("waiting for the emulator",))):
        wall, cpu = (median(_sum(run, of, left_out) for run in runs) for of in (0, 1))
        print(f"{name:32}{1_000 * wall:10.0f}{1_000 * cpu:10.0f}")


def measured(reps: int) -> list[dict[str, Any]]:
    """What each repetition has said, after one that compiles everything."""
    with tempfile.TemporaryDirectory() as folder, emulator() as variables:
        (Path(folder) / "cold_app.py").write_text(APP)
        environment = {**os.environ, **variables, "PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONPATH": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with _environment(variables):
            asyncio.run(_start(variables["AWS_ENDPOINT_URL"], reps + 1))
        return [_invoked(number, environment) for number in range(reps + 1)][1:]


def _sum(run: Mapping[str, Any], of: int, left_out: Sequence[str]) -> float:
    return float(sum(lap[of] for name, lap in run["laps"].items() if name not in left_out))


def _invoked(number: int, environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-c", FUNCTION, f"order-{number}"]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=True, timeout=120)
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["answer"] == {"batchItemFailures": []}, said
    return said


async def _start(endpoint: str, instances: int) -> None:
    """Start the instances; nobody works them off."""
    from nexus_aws.lean import LeanCall
    from nexus_aws.store import AwsStore
    from nexus_sdk import Nexus

    namespace: dict[str, Any] = {"__name__": "cold_app"}
    exec(APP, namespace)
    call = LeanCall(region="us-east-1", endpoint=endpoint)
    store = AwsStore(TABLE, f"{TABLE}-nexus", call)
    client = Nexus(store, workflows=[namespace["fulfil"]], activities=[namespace["charge"]]).client()
    for number in range(instances):
        await client.start(namespace["fulfil"], "a lamp", id=f"order-{number}")
    await store.close()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def emulator() -> Iterator[dict[str, str]]:
    """moto, in a process of its own; the environment of a function beside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, EMULATOR, str(port)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{endpoint}/moto-api/", timeout=2):
                    break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield {
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": "cold-start",
            "AWS_ENDPOINT_URL": endpoint,
        }
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(10)


if __name__ == "__main__":
    main()
