"""Training states with the field names of version 0.1, so that its checkpoints still open."""

import dataclasses
from typing import Any, NamedTuple

from flax import struct

from gan_jax.core.state import GanState, Vars

RENAMED = {"batch_stats": "stats", "opt_state": "opt", "controls": "ctl"}  # {field now: before}


class VarsV0_1(NamedTuple):
    """state.Vars of version 0.1."""

    params: Any
    stats: Any


@struct.dataclass
class GanStateV0_1:
    """state.GanState of version 0.1."""

    step: Any
    key: Any
    params: Any
    stats: Any
    opt: Any
    ema: Any
    ctl: Any
    bad_step: Any
    bad_player: Any


def to_v0_1(state: GanState) -> GanStateV0_1:
    """Give a state, or its shapes, the field names of version 0.1."""
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    fields["ema"] = {net: VarsV0_1(*vs) for net, vs in state.ema.items()}
    return GanStateV0_1(**{RENAMED.get(name, name): value for name, value in fields.items()})


def from_v0_1(state: GanStateV0_1) -> GanState:
    """Invert `to_v0_1`."""
    names = {before: now for now, before in RENAMED.items()}
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    fields["ema"] = {net: Vars(*vs) for net, vs in state.ema.items()}
    return GanState(**{names.get(name, name): value for name, value in fields.items()})
