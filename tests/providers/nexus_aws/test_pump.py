"""The real Lambda runtime, fed by a pump, killed again and again: nothing is lost, and nothing is done twice unless an
invocation died while it did it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nexus_aws.store import AwsStore
from nexus_sdk.client.client import Client
from nexus_sdk.core.events import ActivityCompleted
from tests.providers.nexus_aws.cloud import Cloud, now, run
from tests.providers.nexus_aws.conftest import REQUIRED
from tests.providers.nexus_aws.pump import T0_US, Pump, Trouble, sync
from tests.providers.nexus_aws.runtime_api import Container, FunctionDied, FunctionFailed
from tests.providers.nexus_aws.served import QUEUES, app_on

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(find_spec("awslambdaric") is None and not REQUIRED, reason="pip install 'nexus-sdk[dev]'"),
]

HANDLER = "tests/providers/nexus_aws/served.handler"

ORDERS = 4
SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

ROUNDS_MAX = 200

SEEDS = range(25) if os.environ.get("NEXUS_NIGHTLY") == "1" else range(1)


class Ledger:
    """What activities have written, whoever ran them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self) -> Mapping[str, list[str]]:
        """The invocations that ran each operation, by what it was."""
        runs = defaultdict(list)
        for line in self.path.read_text().splitlines():
            entry = json.loads(line)
            runs[entry["what"]].append(entry["by"])
        return runs


@pytest.fixture
def store(cloud: Cloud) -> AwsStore:
    now.set(T0_US)
    name = f"pumped-{next(cloud._tables)}"
    store = AwsStore(name, f"{name}-nexus", cloud)
    run(store.migrate())
    return store


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def container(cloud: Cloud, store: AwsStore, ledger: Ledger, tmp_path: Path) -> Iterator[Callable[[], Container]]:
    """Makes containers of the function."""
    made: list[Container] = []

    def make() -> Container:
        table = store._rows._table
        variables = {"SERVED_TABLE": table, "SERVED_ENDPOINT": cloud.endpoint, "SERVED_LEDGER": str(ledger.path)}
        variables |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}  # once for all
        made.append(Container(HANDLER, variables))
        return made[-1]

    yield make
    for one in made:
        one.close()


def client_of(store: AwsStore) -> Client:
    return app_on(store).client()


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_come_to_their_end_in_real_functions_that_are_killed(
    cloud: Cloud, store: AwsStore, ledger: Ledger, container: Callable[[], Container], seed: int
) -> None:
    chance = Random(seed)
    containers = [container(), container()]  # at the same time: conflicts, and warm ones that the other has overtaken
    died: set[str] = set()

    def invoke(event: Any, custom: Mapping[str, Any], number: int) -> Any:
        try:
            return containers[number].invoke(event, custom=custom)
        except FunctionDied:
            died.add(containers[number].last_request_id)
            raise

    trouble = Trouble(death=0.3, twice=0.2, kept=0.1, requests=15)
    pump = Pump(cloud, store, invoke, QUEUES, chance, trouble, containers=len(containers))
    for number in range(ORDERS):
        id, arguments = f"order-{number}", {"order": number}
        said = pump.call({"action": "start", "workflow": "fulfil", "id": id, "arguments": arguments, "request_id": id})
        assert said == {"id": id}
        event = {"action": "event", "id": id, "name": "approved", "payload": True, "event_id": "click"}
        assert pump.call(event)["event"] == "approved"
    open_ids = [f"order-{number}" for number in range(ORDERS)]
    for _ in range(ROUNDS_MAX):
        if not pump.round():
            pump.call(SWEEP)
            pump.jump(60)
            now.set(pump.now_us)
            open_ids = [id for id in open_ids if not sync(client_of(store).get(id).status()).status.is_finished]
            if not open_ids:
                break
    assert open_ids == []
    for number in range(ORDERS):
        handle = client_of(store).get(f"order-{number}")
        expected = {"paid": 100 * number, "packed": 3, "approved": True, "parcel": f"parcel {number}"}
        assert sync(handle.result()) == expected
        done = [event for event in sync(handle.history()) if isinstance(event, ActivityCompleted)]
        assert len(done) == len({event.path for event in done}) == 4
    runs = ledger.runs()
    assert set(runs) == {
        what for n in range(ORDERS) for what in (f"charge {n}", f"ship {n}", *(f"pack {n}.{item}" for item in range(3)))
    }
    for what, by in runs.items():
        assert set(by[:-1]) <= died, f"{what} ran {len(by)} times, though nothing had died"
    assert pump.deaths > 0
    assert sum(one.starts for one in containers) > 2


def test_what_a_handler_raises_and_what_it_answers_passes_through_the_real_runtime(
    container: Callable[[], Container],
) -> None:
    function = container()
    error = function.invoke({"action": "dance"})["error"]
    assert error["code"] == "NX322"
    with pytest.raises(FunctionFailed, match="InvalidRequest"):
        function.invoke({"Records": [{"EventSource": "aws:sns"}]})
    answer = function.invoke(
        {"version": "2.0", "rawPath": "/instances/nobody", "requestContext": {"http": {"method": "GET"}}}
    )
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["error"]["code"] == "NX301"
    assert function.starts == 1
