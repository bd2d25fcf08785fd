"""What code is built for: an interpreter, a machine, and what is there already."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Where an artifact will run.

    Attributes:
        python: the version, ``3.12``.
        machine: ``x86_64`` or ``aarch64``.
        wheels: platform tags of the wheels that run there, the best first.
        provided: plain names of distributions that are there, and are not packed.
        extras_left_out: extras of our distribution that are of no use there.
        packages: our packages that go with `nexus_sdk`.
        left_out: dotted names of modules and packages of ours that are of no use there.
        root: the folder that the artifact is unpacked in.
        packed_bytes_max, unpacked_bytes_max: how large it may be.
    """

    python: str
    machine: str
    wheels: tuple[str, ...]
    provided: frozenset[str]
    extras_left_out: frozenset[str]
    packages: tuple[str, ...]
    left_out: frozenset[str]
    root: str
    packed_bytes_max: int
    unpacked_bytes_max: int
