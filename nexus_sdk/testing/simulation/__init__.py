"""Deterministic simulation: the real engine on simulated stores, queues and clocks, in one thread, from one seed.

``python -m nexus_sdk.testing.simulation --seeds 1000`` runs random programs under random faults and holds every run to
the laws of the engine, after every commit and at rest. A seed says everything about its run: the same seed, the same
trace, in every process. One that fails prints the command that runs it again, is made smaller, and leaves its trace in
``build/simulation``; ``--keep FILE`` keeps it as data, for what a seed means changes with the generator.

A run is a `plan` (what is done, on which store, what goes wrong), played in a `world`. What its parts share is the
`scene`; the `staff` are its workers, the `clients` start, tell, ask and watch; each is a `process` with a clock of its
own, and `passing` moves time. `programs` are trees of operations as plain data, which the workflows of `definitions`
carry out. The `stores` have the bounds, lags and `queues` of the clouds.

What goes wrong is a table: `rates`. Faults strike between a process and its store (`process`), in a queue (`queues`),
in an index (`stores`), among others who come first (`staff.Rivals`), or in what is stored (`damage`).

The `witness` sees everything that reaches the store, and holds it to the laws; `timeliness`, `attempts`, `bounds` and
`replays` are its rules, and `rest` says what must hold when nothing is left to be done; `footprint` counts the rows of
each write. `coverage` says what was reached, and what never is, and why.

On the profiles of the clouds an instance is `rows`, and the code of the providers moves them, while others come between
a read and the write that rests on it.

Not simulated: two faults at one store call; a bucket for large payloads that fails by itself; the requests by which a
provider makes one transaction of several rows; a change of bytes that nothing vouches for (names, ids and times in
messages and tasks).
"""
