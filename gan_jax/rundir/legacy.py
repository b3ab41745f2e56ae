"""Training states with the field names of version 0.1, so that its checkpoints still open."""

import dataclasses
from typing import Any, NamedTuple

from flax import struct

from gan_jax.core.state import GanState, Vars

RENAMED = {"batch_stats": "stats", "opt_state": "opt", "controls": "ctl"}  # {field now: before}


class VarsBefore(NamedTuple):
    """state.Vars of version 0.1."""

    params: Any
    stats: Any


@struct.dataclass
class GanStateBefore:
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


def to_before(state: GanState) -> GanStateBefore:
    """Give a state, or its shapes, the field names of version 0.1."""
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    fields["ema"] = {net: VarsBefore(*vs) for net, vs in state.ema.items()}
    return GanStateBefore(**{RENAMED.get(name, name): value for name, value in fields.items()})


def from_before(state: GanStateBefore) -> GanState:
    """Invert `to_before`."""
    names = {before: now for now, before in RENAMED.items()}
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    fields["ema"] = {net: Vars(*vs) for net, vs in state.ema.items()}
    return GanState(**{names.get(name, name): value for name, value in fields.items()})
