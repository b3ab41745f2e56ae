"""Training states as earlier versions named their fields, so that their checkpoints still open."""

from typing import NamedTuple

import flax
import jax

from gan_jax.core.state import GanState, Vars


class VarsBefore(NamedTuple):
    """state.Vars up to version 0.1."""

    params: dict
    stats: dict  # now batch_stats


@flax.struct.dataclass
class GanStateBefore:
    """state.GanState up to version 0.1."""

    step: jax.Array
    key: jax.Array
    params: dict
    stats: dict  # now batch_stats
    opt: dict  # now opt_state
    ema: dict
    ctl: dict  # now controls
    bad_step: jax.Array
    bad_player: jax.Array


def to_before(state: GanState) -> GanStateBefore:
    """Give a state, or its shapes, the field names of earlier versions."""
    ema = {net: VarsBefore(vs.params, vs.batch_stats) for net, vs in state.ema.items()}
    return GanStateBefore(
        state.step,
        state.key,
        state.params,
        state.batch_stats,
        state.opt_state,
        ema,
        state.controls,
        state.bad_step,
        state.bad_player,
    )


def from_before(state: GanStateBefore) -> GanState:
    """Invert `to_before`."""
    ema = {net: Vars(vs.params, vs.stats) for net, vs in state.ema.items()}
    return GanState(
        state.step,
        state.key,
        state.params,
        state.stats,
        state.opt,
        ema,
        state.ctl,
        state.bad_step,
        state.bad_player,
    )
