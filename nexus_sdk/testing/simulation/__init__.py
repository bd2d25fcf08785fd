"""Deterministic simulation: the real engine on simulated stores, queues and clocks, in one thread, from one seed.

``python -m nexus_sdk.testing.simulation --seeds 1000`` runs random programs under random faults, and holds every run
to the laws of the engine. A seed says everything about its run: the same seed, the same trace.
"""
