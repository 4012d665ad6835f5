"""The table of communicators for the devices of kernel sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..types.division import Communicator
from .nccl import CardRanks

#: What exchanges the arrays of a device, given the communicator of the host's; no other device has any.
BY_DEVICE: Mapping[str, Callable[[Communicator], Communicator]] = MappingProxyType({"gpu": CardRanks})


def on_device(ranks: Communicator, device: str) -> Communicator:
    """Return the communicator for arrays of a device: ``cpu`` or ``gpu``; a single rank exchanges none."""
    return BY_DEVICE[device](ranks) if device in BY_DEVICE and ranks.size > 1 else ranks
