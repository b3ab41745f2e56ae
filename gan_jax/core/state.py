"""What training changes: one tree that a checkpoint stores whole."""

from typing import NamedTuple

import flax
import jax
import jax.numpy as jnp


class Vars(NamedTuple):
    """Every net's variables. params: {net: tree of float32}; stats: {net: running statistics, {} without any}."""

    params: dict
    batch_stats: dict


@flax.struct.dataclass
class GanState:
    """The whole training state; replicated over devices, never stacked.

    step: int32 [], updates done. key: random key of the run, never advanced. params, stats: as in Vars.
    opt: {player: optimizer state}. ema: {net: Vars of that net}. controls: {name: scalar}, what a method adapts.
    bad_step, bad_player: int32 [], the first step and player (index in the method) with a non-finite loss or gradient; -1.
    """

    step: jax.Array
    key: jax.Array
    params: dict
    batch_stats: dict
    opt_state: dict
    ema: dict
    controls: dict
    bad_step: jax.Array
    bad_player: jax.Array

    def vars(self, ema=False):
        """Vars of all nets; with ema, averaged weights and statistics where the method keeps them."""
        averaged = self.ema if ema else {}
        return Vars(
            {**self.params, **{n: v.params for n, v in averaged.items()}},
            {**self.batch_stats, **{n: v.batch_stats for n, v in averaged.items()}},
        )


def init(method, key):
    """A fresh GanState. Pure; `init_jitted` is the quick way to run it.

    Args:
      method: step.Method.
      key: random key; the run's randomness follows from it alone.
    """
    params, stats = {}, {}
    for i, (net, module) in enumerate(method.nets.items()):
        tree = module.init(jax.random.fold_in(key, i), *method.example_inputs[net], train=False)
        params[net], stats[net] = tree["params"], tree.get("batch_stats", {})
    return GanState(
        step=jnp.int32(0),
        key=jax.random.fold_in(key, len(method.nets)),
        params=params,
        batch_stats=stats,
        opt_state={p.name: p.tx.init({n: params[n] for n in p.nets}) for p in method.players},
        # Copies: a donated state must not hold one buffer twice.
        ema=jax.tree.map(jnp.copy, {n: Vars(params[n], stats[n]) for n in method.ema}),
        controls={k: jnp.asarray(v) for k, v in method.controls.items()},
        bad_step=jnp.int32(-1),
        bad_player=jnp.int32(-1),
    )


def init_jitted(method, seed):
    """init from a seed as one compiled call, without the optimisations that would take longer than they save."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(lambda: init(method, jax.random.key(seed)), compiler_options=options)()


def state_shapes(method):
    """The GanState of a method as jax.ShapeDtypeStruct leaves; computes nothing."""
    return jax.eval_shape(lambda: init(method, jax.random.key(0)))
