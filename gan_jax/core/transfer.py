"""Weights of one run as the beginning of another: taken layer by layer, by name and shape."""

from typing import Any

import jax
import numpy as np

from gan_jax.core.method import Method
from gan_jax.core.state import GanState, Vars

Path = tuple[str, ...]  # names of the modules from a net to a layer, perhaps to one of its arrays
# Parts of a net that a condition enters, see nets.conditional: the net within, and the embedding.
WRAPPED, EMBEDDING = "net", ("embed",)


def layer_paths(net: Any) -> set[Path]:
    """Return the paths of all layers of a net: of the modules that hold its parameters.

    Args:
      net: its parameters.
    """
    return {path[:-1] for path in _leaves(net)}


def fitting_layers(into: Vars, source: Vars) -> dict[str, set[Path]]:
    """Find the layers that a method can take from another run: {net: paths of layers}.

    A layer is taken whole, from the net of the same name, if the source has a layer of the same
    path with arrays of the same shapes. Whether a condition enters a net makes no difference to the
    paths of its other layers. A net none of whose kernels fits takes nothing: that its biases, or
    the embedding of a condition, happen to be as long would mean little.

    Args:
      into: variables of all nets of the method, or their shapes.
      source: variables of nets of any method.
    """
    fitting = {}
    for net, params in into.params.items():
        own, other = _leaves(params), _leaves(source.params.get(net, {}))
        odd = {path[:-1] for path in own if not _fits(own, other, path)}
        layers = layer_paths(params) - odd
        kernels = layers - {EMBEDDING}
        has_kernel = any(own[path].ndim > 1 for path in own if path[:-1] in kernels)
        fitting[net] = layers if has_kernel else set()
    return fitting


def transfer(into: Vars, source: Vars) -> Vars:
    """Return variables of all nets with the layers that fit from another run; leaves are new.

    Running statistics come with their layer; those without parameters come where their net takes
    anything.

    Args:
      into, source: see `fitting_layers`.
    """
    fitting, params, stats = fitting_layers(into, source), {}, {}
    for net, layers in fitting.items():
        own = into.params[net], into.batch_stats[net]
        other = source.params.get(net, {}), source.batch_stats.get(net, {})
        left = layer_paths(own[0]) - layers if layers else None
        params[net], stats[net] = (_merge(*pair, left) for pair in zip(own, other, strict=True))
    return Vars(params, stats)


def begin(method: Method, state: GanState, source: Vars) -> GanState:
    """Give the first state of a run the weights of another; all else begins anew.

    Optimizers and averages begin with the weights that are taken.

    Args:
      method: Method.
      state: its first state.
      source: see `fitting_layers`.
    """
    vs = transfer(state.vars(), source)
    averaged = {net: Vars(vs.params[net], vs.batch_stats[net]) for net in method.ema}
    return state.replace(
        params=vs.params,
        batch_stats=vs.batch_stats,
        opt_state={p.name: p.tx.init({n: vs.params[n] for n in p.nets}) for p in method.players},
        ema=jax.tree.map(np.array, averaged),  # a donated state must not hold a buffer twice
    )


def _leaves(tree) -> dict[Path, Any]:
    return {_path(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def inner(path: Path) -> Path:
    """Return a path within a net, without the part within which a condition leaves it."""
    return path[1:] if path[:1] == (WRAPPED,) else path


def _path(keys) -> Path:
    """Return the names along a path of a tree, see `inner`."""
    return inner(tuple(key.key for key in keys))


def _fits(own, other, path):
    return path in other and own[path].shape == other[path].shape


def _merge(own, other, left):
    """Take the leaves of `other` that fit, but those of the layers `left`; None: none of them."""
    theirs, ours = _leaves(other), _leaves(own)

    def choose(path, leaf):
        path = _path(path)
        is_taken = left is not None and path[:-1] not in left and _fits(ours, theirs, path)
        return np.array(theirs[path] if is_taken else leaf, leaf.dtype)

    return jax.tree_util.tree_map_with_path(choose, own)
