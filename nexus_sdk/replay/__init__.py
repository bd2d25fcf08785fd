"""Replaying recorded runs, away from their store: where they stand, what they know, and where code and record part.

Nothing here runs an activity or writes to a store.
"""
