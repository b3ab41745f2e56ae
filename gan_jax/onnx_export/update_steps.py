"""Export of a method's update step: one file per player, which makes one update of that player.

A page can run the files in any order and ratio. A file computes core.step.update_player, and
"average" computes core.step.update_averages after all players. State goes in and comes out. A file
takes a minibatch, the noise that the update draws, a factor for the learning rate, and the progress
of training.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import Batch, Method, make_context
from gan_jax.core.state import GanState, Vars
from gan_jax.core.step import update_averages, update_player
from gan_jax.errors import InputError
from gan_jax.onnx_export import exporter, noise_inputs
from gan_jax.onnx_export.exporter import OnnxFile, convert, spec
from gan_jax.ops import compiling

Shape = tuple[int, int, int]  # (H, W, C) of an image


def check(method: Method) -> None:
    """Refuse methods whose players cannot be updated one by one outside of JAX.

    Raises:
      InputError
    """
    if method.simultaneous or method.control or any(player.gate for player in method.players):
        raise InputError(
            "A step with --simultaneous, --balance, or a value that adapts (--lecam), cannot be "
            "exported turn by turn; leave out --step, or train without them."
        )
    if getattr(method.hp, "penalty_every", 1) > 1 or method.hp.augment:
        raise InputError(
            "A step with --penalty_every or --augment cannot be exported; leave out --step, or "
            "train without them."
        )
    if getattr(method.hp, "warmup_images", 0) or method.ema_rate:
        raise InputError(
            "A step with --warmup_images or --ema_images cannot be exported, since a page counts "
            "no images; leave out --step, or train without them."
        )
    if getattr(method.hp, "pack", 1) > 1:
        raise InputError(
            "A step with --pack cannot be exported, since the page shows D points one by one; "
            "leave out --step, or train with --pack=1."
        )
    if method.dtype:
        raise InputError(
            "A step in bfloat16 cannot be exported, since browsers compute in float32; leave out "
            "--step, or train with --precision=float32."
        )
    if method.conditioning.what in ("class", "image", "quantities"):
        raise InputError(
            "The step of a method that is given labels, quantities or images cannot be exported; "
            "export its generator."
        )


def state_trees(state: GanState) -> dict[str, Any]:
    """Return {"params", "stats", "opt", "ema"}: a state by the names that it has in the files."""
    return {
        "params": state.params,
        "stats": state.batch_stats,
        "opt": state.opt_state,
        "ema": _ema_trees(state.ema),
    }


def _ema_trees(ema: dict[str, Vars]) -> dict[str, Any]:
    return {net: {"params": vs.params, "stats": vs.batch_stats} for net, vs in ema.items()}


def update(method: Method, index: int, arrays: dict[str, Any]) -> dict[str, Any]:
    """Make one update of one player, as a function of arrays alone.

    Args:
      method: Method.
      index: of the player in method.players.
      arrays: "state", see `state_trees`, without "ema"; "image" float32 [B, H, W, C] in the range
        of the nets; "noise", list of what the update draws, in order; "rate" float32 [], factor of
        the learning rate; "progress" float32 [], step / total steps.

    Returns:
      {"state": {"params", "stats", "opt"} of what the player trains, "metrics": {term: float32
      []}}.
    """
    player, trees = method.players[index], arrays["state"]

    tx = optax.with_extra_args_support(player.tx)

    def scaled_update(updates, state, params=None, **extra):
        updates, state = tx.update(updates, state, params, **extra)
        return jax.tree.map(lambda u: arrays["rate"] * u, updates), state

    players = list(method.players)
    scaled = optax.GradientTransformationExtraArgs(tx.init, scaled_update)
    players[index] = player._replace(tx=scaled)
    zero, key = jnp.int32(0), jax.random.key(0)  # all that is drawn with the key is replaced
    state = GanState(
        step=zero,
        key=key,
        params=trees["params"],
        batch_stats=trees["stats"],
        opt_state=trees["opt"],
        ema={},
        controls={},
        bad_step=jnp.int32(-1),
        bad_player=jnp.int32(-1),
    )
    method = method._replace(players=tuple(players))
    with noise_inputs.replaced_by(arrays["noise"]):
        ctx = make_context(method, progress=arrays["progress"], step=zero)
        batch = {"image": arrays["image"]}
        state, metrics = update_player(method, index, ctx, state, batch, key)
    trained = {
        "params": {net: state.params[net] for net in player.nets},
        "stats": {net: state.batch_stats[net] for net in player.nets},
        "opt": {player.name: state.opt_state[player.name]},
    }
    return {"state": trained, "metrics": metrics}


def record_noise(
    method: Method, index: int, state: GanState, batch: Batch, key: jax.Array, progress: float = 0.0
) -> tuple[list[dict[str, Any]], list[jax.Array]]:
    """Record what one update of one player draws. Arguments: see core.step.update_player.

    Returns:
      (description of each draw, see noise_inputs.NoiseRecorder; arrays).
    """
    recorder = noise_inputs.NoiseRecorder()
    with recorder.recording():
        ctx = make_context(method, progress=progress, step=state.step)
        update_player(method, index, ctx, state, batch, key)
    return recorder.specs, recorder.values


def noise_arrays(
    method: Method, index: int, state: GanState, image: jax.Array, key: jax.Array
) -> list[jax.Array]:
    """Return the arrays of `record_noise`, to be compiled. image: [B, H, W, C]."""
    return record_noise(method, index, state, {"image": image}, key)[1]


def example_inputs(
    method: Method, index: int, batch: int, shape: Shape
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the argument of `update` as jax.ShapeDtypeStruct, and the descriptions of its noise.

    Args:
      method, index: see `update`.
      batch: images per minibatch.
      shape: (H, W, C).
    """
    state, image = state_shapes(method), spec(batch, *shape)
    specs = []

    def trace(state, image):
        specs.extend(record_noise(method, index, state, {"image": image}, jax.random.key(0))[0])

    jax.eval_shape(trace, state, image)
    trees = state_trees(state)
    del trees["ema"]
    inputs = {
        "state": trees,
        "image": image,
        "noise": [spec(*noise["shape"]) for noise in specs],
        "rate": spec(),
        "progress": spec(),
    }
    return inputs, specs


def export_updates(method: Method, batch: int, shape: Shape) -> dict[str, OnnxFile]:
    """Export the update of every player, and "average" where weights are averaged.

    Args:
      method: Method, without labels.
      batch: images per minibatch.
      shape: (H, W, C).

    Returns:
      {player or "average": OnnxFile}. A player's entry also has "nets" that it trains; "repeats",
      updates per step; "draw", its batch group, whose players get the same minibatches; "noise",
      see noise_inputs.NoiseRecorder, where draws with the same "id" in one batch group are the
      same.

    Raises:
      InputError: see `check`.
    """
    check(method)
    exported, ids = {}, _noise_ids(method, batch, shape)
    for index, player in enumerate(method.players):
        inputs, specs = example_inputs(method, index, batch, shape)
        content, entry = convert(functools.partial(update, method, index), inputs, player.name)
        noise = [{**s, "id": i} for s, i in zip(specs, ids[player.name], strict=True)]
        entry |= {
            "nets": player.nets,
            "repeats": player.repeats,
            "draw": player.batch_group or player.name,
            "noise": noise,
        }
        exported[player.name] = OnnxFile(content, entry)
    if method.ema:
        trees = state_trees(state_shapes(method))
        inputs = {"state": {k: trees[k] for k in ("params", "stats", "ema")}, "step": spec()}
        exported["average"] = convert(functools.partial(average, method), inputs, "average")
    return exported


def state_layout(trees: dict[str, Any]) -> list[dict[str, Any]]:
    """List the arrays of a state, those of "params" and "stats" first. trees: see `state_trees`.

    Returns:
      [{"name", "shape", "type"}].
    """
    layout = []
    for names in (("params", "stats"), ("opt", "ema")):
        tree = {"state": {name: trees[name] for name in names if name in trees}}
        layout += [
            {"name": path, "shape": list(leaf.shape), "type": str(leaf.dtype)}
            for path, leaf in zip(exporter.leaf_paths(tree), jax.tree.leaves(tree), strict=True)
        ]
    return layout


def pack_state(trees: dict[str, Any]) -> bytes:
    """Write the arrays of a state in the order of `state_layout`, little-endian."""
    paths = exporter.leaf_paths({"state": trees})
    leaves = dict(zip(paths, jax.tree.leaves(jax.device_get(trees)), strict=True))
    return b"".join(np.asarray(leaves[leaf["name"]]).tobytes() for leaf in state_layout(trees))


def average(method: Method, arrays: dict[str, Any]) -> dict[str, Any]:
    """Update the averaged weights, see core.step.update_averages.

    Args:
      method: Method.
      arrays: {"state": {"params", "stats", "ema"}, "step": float32 [], steps before this one}.

    Returns:
      {"state": {"ema"}}.
    """
    trees = arrays["state"]
    ema = {net: Vars(tree["params"], tree["stats"]) for net, tree in trees["ema"].items()}
    nothing: Any = None
    state = GanState(
        step=arrays["step"],
        key=nothing,
        params=trees["params"],
        batch_stats=trees["stats"],
        opt_state={},
        ema=ema,
        controls={},
        bad_step=nothing,
        bad_player=nothing,
    )
    return {"state": {"ema": _ema_trees(update_averages(method, state, make_context(method)))}}


def _noise_ids(method: Method, batch: int, shape: Shape) -> dict[str, list[int]]:
    """Return {player: id of each of its draws}; equal draws of a batch group have equal ids.

    They are compared by value, since a loss may split its key in any way.
    """
    shapes = state_shapes(method)
    zeros = jax.tree.map(
        lambda s: None if s.dtype == shapes.key.dtype else jnp.zeros(s.shape, s.dtype), shapes
    )
    image = jnp.zeros((batch, *shape))
    known_by_group: dict[str, list[jax.Array]] = {}
    ids: dict[str, list[int]] = {}
    for index, player in enumerate(method.players):
        draw = compiling.jit(functools.partial(noise_arrays, method, index))
        known = known_by_group.setdefault(player.batch_group or player.name, [])
        ids[player.name] = []
        for value in draw(zeros, image, jax.random.key(0)):
            same = [i for i, other in enumerate(known) if np.array_equal(other, value)]
            ids[player.name] += same or [len(known)]
            known += [] if same else [value]
    return ids
