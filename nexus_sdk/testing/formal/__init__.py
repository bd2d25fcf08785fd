"""The executable twin of the specification in docs/formal, and traces of the engine held to it.

`instance`, `transactional` and `split` say what the TLA+ modules of these names say, action by action; a test keeps
them equal by comparing all reachable states and steps. `following` lets the twin follow what the engine does to a
store.
"""
