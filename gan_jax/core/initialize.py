"""The first training state of a method."""

import jax
import jax.numpy as jnp

from gan_jax.core.method import Method, once_per_method
from gan_jax.core.state import GanState, Vars
from gan_jax.ops import compiling


def init(method: Method, key: jax.Array) -> GanState:
    """Initialise the state of a method. Pure; `init_jitted` is the fast way to run it.

    Args:
      method: Method.
      key: random key; all randomness of the run follows from it.
    """
    params, batch_stats = {}, {}
    for i, (net, module) in enumerate(method.nets.items()):
        net_key = jax.random.fold_in(key, i)
        variables = module.init(net_key, *method.example_inputs[net], train=False)
        params[net] = variables["params"]
        batch_stats[net] = variables.get("batch_stats", {})
    averaged = {n: Vars(params[n], batch_stats[n]) for n in method.ema}
    return GanState(
        step=jnp.int32(0),
        key=jax.random.fold_in(key, len(method.nets)),
        params=params,
        batch_stats=batch_stats,
        opt_state={p.name: p.tx.init({n: params[n] for n in p.nets}) for p in method.players},
        ema=jax.tree.map(jnp.copy, averaged),  # a donated state must not hold a buffer twice
        controls={name: jnp.asarray(value) for name, value in method.controls.items()},
        bad_step=jnp.int32(-1),
        bad_player=jnp.int32(-1),
    )


@once_per_method
def _compiled_init(method):
    """Build `init` as a compiled function of the key.

    XLA's optimisations are off: they would take longer than they save.
    """
    return compiling.jit(lambda key: init(method, key), optimized=False)


def init_jitted(method: Method, seed: int) -> GanState:
    """Initialise the state from a seed in one compiled call."""
    return _compiled_init(method)(jax.random.key(seed))


def state_shapes(method: Method) -> GanState:
    """Return the state of a method with jax.ShapeDtypeStruct leaves; computes nothing."""
    return jax.eval_shape(_compiled_init(method), jax.random.key(0))
