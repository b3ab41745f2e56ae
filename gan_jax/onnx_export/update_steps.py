"""The update step of a method as ONNX files, one update of one player each, so that a page can run it in any order and ratio.

What a file computes is `step.update_player`, and `step.update_averages` once all players had their turns. State goes in and comes
out; a file takes a minibatch, the noise that the update draws, and two numbers: what the player's updates are multiplied by,
which scales its learning rate, and how far training is.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.core.state import GanState, Vars, state_shapes
from gan_jax.core.method import make_context
from gan_jax.core.step import update_averages, update_player
from gan_jax.errors import InputError
from gan_jax.onnx_export import exporter, noise_inputs
from gan_jax.onnx_export.exporter import convert, spec


def check(method):
    """Refuses what a step outside of JAX cannot be: players that wait for each other, or move from the same state.

    Raises:
      InputError
    """
    if method.simultaneous or method.control or any(player.gate for player in method.players):
        raise InputError(
            "A step with --simultaneous or --balance cannot be exported turn by turn; leave them out."
        )
    if getattr(method.hp, "penalty_every", 1) > 1 or method.hp.augment:
        raise InputError(
            "A step with --penalty_every or --augment cannot be exported; leave them out."
        )
    if method.dtype:
        raise InputError(
            "A step in bfloat16 cannot be exported, since browsers compute in float32; use --precision=float32."
        )
    if method.conditioning.what in ("class", "image"):
        raise InputError(
            "The step of a method that is given labels or images cannot be exported; export its generator."
        )


def state_of(state):
    """{"params", "stats", "opt", "ema"} of a GanState: what the files take and return by these names."""
    return {
        "params": state.params,
        "stats": state.batch_stats,
        "opt": state.opt_state,
        "ema": _trees(state.ema),
    }


def _trees(ema):
    return {net: {"params": vs.params, "stats": vs.batch_stats} for net, vs in ema.items()}


def update(method, index, arrays):
    """One update of one player as a function of arrays alone.

    Args:
      index: which of method.players.
      arrays: {"state": see `state_of`, without "ema"; "image": float32 [B, H, W, C] in the range of the nets; "noise": list of
        what the update draws, in order; "rate": float32 [], what updates are multiplied by; "progress": float32 [], updates
        done of all}.

    Returns:
      {"params", "stats", "opt"} of what the player trains, {"metrics": {term: float32 []}}
    """
    player, trees = method.players[index], arrays["state"]
    rate = arrays["rate"]

    def scaled(grads, state, params):
        updates, state = player.tx.update(grads, state, params)
        return jax.tree.map(lambda u: rate * u, updates), state

    players = list(method.players)
    players[index] = player._replace(tx=optax.GradientTransformation(player.tx.init, scaled))
    zero, key = jnp.int32(0), jax.random.key(0)  # the key is split, and never drawn from
    state = GanState(
        zero,
        key,
        trees["params"],
        trees["stats"],
        trees["opt"],
        {},
        {},
        bad_step=jnp.int32(-1),
        bad_player=jnp.int32(-1),
    )
    with noise_inputs.given(arrays["noise"]):
        ctx = make_context(method, progress=arrays["progress"], step=zero)
        state, metrics = update_player(
            method._replace(players=tuple(players)),
            index,
            ctx,
            state,
            {"image": arrays["image"]},
            key,
        )
    trained = lambda tree: {net: tree[net] for net in player.nets}
    return {
        "state": {
            "params": trained(state.params),
            "stats": trained(state.batch_stats),
            "opt": {player.name: state.opt_state[player.name]},
        },
        "metrics": metrics,
    }


def drawn(method, index, state, batch, key, progress=0.0):
    """What one update of one player draws: ([{"kind", ..., "shape"}], [array]). Arguments: see step.update_player."""
    record = noise_inputs.Record()
    with record.recording():
        ctx = make_context(method, progress=progress, step=state.step)
        update_player(method, index, ctx, state, batch, key)
    return record.specs, record.values


def drawn_arrays(method, index, state, image, key):
    """The arrays of `drawn` alone, for jax.jit. image: [B, H, W, C]."""
    return drawn(method, index, state, {"image": image}, key)[1]


def example(method, index, batch, size):
    """The argument of `update`, as jax.ShapeDtypeStruct. batch: images per minibatch; size: [H, W, C]."""
    state, image = state_shapes(method), spec(batch, *size)
    out = {}

    def look(state, image):
        out["specs"], _ = drawn(method, index, state, {"image": image}, jax.random.key(0))

    jax.eval_shape(look, state, image)
    trees = {k: v for k, v in state_of(state).items() if k != "ema"}
    return {
        "state": trees,
        "image": image,
        "noise": [spec(*s["shape"]) for s in out["specs"]],
        "rate": spec(),
        "progress": spec(),
    }, out["specs"]


def export(method, batch, size):
    """{name: (bytes, entry in manifest.json)} of files: one per player, by its name, and "average" where weights are averaged.

    An entry names the nets that the player trains, how many updates it makes in a step, its draw (players of one draw see the
    same minibatches), and its noise: noise with the same "id" in one draw is the same.

    Args:
      method: method.Method, without labels. batch: images per minibatch. size: [H, W, C].

    Raises:
      InputError: see `check`.
    """
    check(method)
    out, ids = {}, _ids(method, batch, size)
    for index, player in enumerate(method.players):
        given, specs = example(method, index, batch, size)
        content, entry = convert(functools.partial(update, method, index), given, player.name)
        drawn = [{**s, "id": i} for s, i in zip(specs, ids[player.name], strict=True)]
        options = {
            "nets": player.nets,
            "repeats": player.repeats,
            "draw": player.batch_group or player.name,
            "noise": drawn,
        }
        out[player.name] = content, entry | options
    if method.ema:
        trees = state_of(state_shapes(method))
        given = {"state": {k: trees[k] for k in ("params", "stats", "ema")}}
        out["average"] = convert(functools.partial(average, method), given, "average")
    return out


def layout(trees):
    """[{"name", "shape", "type"}] of the arrays of a state, "params" and "stats" first. trees: see `state_of`."""
    out = []
    for part in (("params", "stats"), ("opt", "ema")):
        tree = {"state": {k: trees[k] for k in part if k in trees}}
        out += [
            {"name": name, "shape": list(leaf.shape), "type": str(leaf.dtype)}
            for name, leaf in zip(exporter.names(tree), jax.tree.leaves(tree), strict=True)
        ]
    return out


def packed(trees):
    """The arrays of a state as bytes, little-endian, in the order of `layout`."""
    leaves = dict(
        zip(exporter.names({"state": trees}), jax.tree.leaves(jax.device_get(trees)), strict=True)
    )
    return b"".join(np.asarray(leaves[leaf["name"]]).tobytes() for leaf in layout(trees))


def average(method, arrays):
    """step.update_averages of {"state": {"params", "stats", "ema"}}: {"state": {"ema"}}."""
    trees = arrays["state"]
    ema = {net: Vars(tree["params"], tree["stats"]) for net, tree in trees["ema"].items()}
    state = GanState(
        None, None, trees["params"], trees["stats"], {}, ema, {}, bad_step=None, bad_player=None
    )
    return {"state": {"ema": _trees(update_averages(method, state))}}


def _ids(method, batch, size):
    """{player: [id of each of its noises]}. Which are the same is found by value: a loss may split its key as it likes."""
    seen, out = {}, {}
    zeros = jax.tree.map(
        lambda s: jnp.zeros(s.shape, s.dtype) if s.dtype != state_shapes(method).key.dtype else None,
        state_shapes(method),
    )
    image = jnp.zeros((batch, *size))
    for index, player in enumerate(method.players):
        draw = jax.jit(functools.partial(drawn_arrays, method, index))
        known, out[player.name] = seen.setdefault(player.batch_group or player.name, []), []
        for value in draw(zeros, image, jax.random.key(0)):
            same = [
                i
                for i, other in enumerate(known)
                if other.shape == value.shape and (other == value).all()
            ]
            out[player.name] += same or [len(known)]
            known += [] if same else [value]
    return out
