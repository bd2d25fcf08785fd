"""What leads to seldom places: it is made of what there is, and a run of all of it holds."""

from __future__ import annotations

from dataclasses import replace

from nexus_sdk.testing.simulation.occasions import OCCASIONS, occasion_for
from nexus_sdk.testing.simulation.plan import Act, draw
from nexus_sdk.testing.simulation.programs import Node
from nexus_sdk.testing.simulation.rates import PLACES, Rates
from nexus_sdk.testing.simulation.world import simulate


def test_occasions_are_for_places_and_faults_that_there_are() -> None:
    places = {place for places in PLACES.values() for place in places}
    assert set(OCCASIONS) <= places
    assert all(set(occasion.rates) <= set(Rates.__dataclass_fields__) for occasion in OCCASIONS.values())


def test_a_run_of_all_of_them_holds() -> None:
    nodes: list[Node] = [node for occasion in OCCASIONS.values() for node in occasion.nodes if node["op"] != "fall"]
    plan = replace(
        draw(0, profile="split"),
        rates=Rates(),
        aim="",
        builds=("old", "old"),
        programs=({"op": "seq", "of": nodes, "rounds": 1},),
        acts=(Act(0.0, "start"), Act(1.0, "ask"), Act(1.0, "watch")),
        calm_seconds=300.0,
        replayed=0.0,
    )
    outcome = simulate(plan)
    assert outcome.broken == ""
    assert outcome.coverage.transitions["running", "completed"] >= 1
    assert not outcome.coverage.faults


def test_who_commits_anyway_needs_no_occasion_and_a_client_needs_one() -> None:
    assert occasion_for("crash after commit") is None
    assert occasion_for("client crash after commit") is OCCASIONS["commit"]
    assert occasion_for("crash after receive") is None


def test_a_run_that_aims_at_a_seldom_place_has_what_leads_there() -> None:
    plans = [draw(seed) for seed in range(400)]
    aimed = [plan for plan in plans if plan.rates.aimed and plan.aim.endswith("outbox:cancel")]
    assert aimed
    for plan in aimed:
        assert plan.programs[0] is not None
        assert plan.programs[0]["of"][0] == OCCASIONS["outbox:cancel"].nodes[0]
