"""The training state: one tree that holds everything that training changes."""

from typing import Any, NamedTuple

import jax
from flax import struct


class Vars(NamedTuple):
    """The variables of all nets."""

    params: dict[str, Any]  # {net: tree of float32}
    batch_stats: dict[str, Any]  # {net: running statistics; {} without any}


@struct.dataclass
class GanState:
    """The whole training state. It is replicated over devices, never stacked."""

    step: jax.Array  # int32 [], steps done
    key: jax.Array  # random key of the run, never advanced
    params: dict[str, Any]  # as in Vars
    batch_stats: dict[str, Any]  # as in Vars
    opt_state: dict[str, Any]  # {player: optimizer state}
    ema: dict[str, Vars]  # {net: averaged Vars of that net}
    controls: dict[str, jax.Array]  # {name: scalar}, what Method.control adapts
    bad_step: jax.Array  # int32 [], first step with a non-finite loss or gradient; -1: none
    bad_player: jax.Array  # int32 [], index of its player in Method.players; -1: none

    def vars(self, ema: bool = False) -> Vars:
        """Return the variables of all nets.

        Args:
          ema: return averaged weights and statistics of the nets that have them.
        """
        averaged = self.ema if ema else {}
        return Vars(
            {**self.params, **{n: v.params for n, v in averaged.items()}},
            {**self.batch_stats, **{n: v.batch_stats for n, v in averaged.items()}},
        )
