"""Deterministic simulation: the real engine on simulated stores, queues and clocks, in one thread, from one seed.

``python -m nexus_sdk.testing.simulation --seeds 1000`` runs random programs under random faults and holds every run to
the laws of the engine, after every commit and at rest. A seed says everything about its run: the same seed, the same
trace, in every process. One that fails prints the command that runs it again, is made smaller, and leaves its trace in
``build/simulation``.

A run is a `plan` (what is done, on which store, what goes wrong), played in a `world`: workers and clients are a
`process` each, with a clock of its own; `programs` are trees of operations as plain data, which the workflows of
`definitions` carry out; the `witness` sees everything that reaches the store, and `rest` says what must hold when
nothing is left to be done.

Not simulated yet: stores that only push, lists that lag, payloads that are damaged, two faults at one store call.
"""
