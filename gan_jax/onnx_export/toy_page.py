"""Export for the page with live GANs on points: updates, samples, D's surface, initial weights."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import losses, optimizers, priors
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import Method, apply_net, make_context
from gan_jax.core.state import Vars
from gan_jax.data import toys
from gan_jax.metrics import point_scores
from gan_jax.onnx_export import noise_inputs, update_steps
from gan_jax.onnx_export.exporter import OnnxFile, convert, spec
from gan_jax.onnx_export.update_steps import Shape

N_POINTS = 2000  # samples that are shown and counted, as many as Dist-GAN counts
GRID_SIDE = 40  # of the grid on which D's surface is shown
POINT_SHAPE = (1, 1, 2)  # a point is an image of one pixel


def export_method(
    method: Method, batch: int, n_seeds: int = 1
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Export all that the page needs of one method.

    Files: see `page_files`, and "surface.onnx": "at" [GRID_SIDE^2, 2] in [-1, 1] to D's "logit"
    [GRID_SIDE^2] there and its gradient "slope" [GRID_SIDE^2, 2]. "sample.onnx" returns "points"
    [N_POINTS, 2] in [-1, 1].

    Args:
      method: Method for points of two coordinates.
      batch: points per minibatch.
      n_seeds: number of initial states.

    Returns:
      ({name: bytes}, entry in manifest.json).

    Raises:
      InputError: see update_steps.check.
    """
    exported = update_steps.export_updates(method, batch, POINT_SHAPE)
    exported["sample"] = convert(
        functools.partial(_sample_points, method), sample_inputs(method, N_POINTS), "sample"
    )
    exported["surface"] = convert(
        functools.partial(_surface, method), _surface_inputs(method), "surface"
    )
    files, entry = page_files(method, exported, batch, POINT_SHAPE, n_seeds)
    loss = getattr(method.hp, "loss", "")
    critic = loss == "wasserstein" or (bool(loss) and losses.is_paired(loss))  # no "surely real"
    return files, entry | {"critic": critic}


def page_files(
    method: Method, exported: dict[str, OnnxFile], batch: int, shape: Shape, n_seeds: int
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Bundle exported functions of a method with initial states.

    Files: "NAME.onnx" for each function; "begin-SEED.bin", float32 weights and statistics of an
    initial state, as the entry lists them. The rest of an initial state is zero, except averages,
    which equal the weights.

    Args:
      method: Method.
      exported: {name: OnnxFile}, see update_steps.export_updates.
      batch: images per minibatch.
      shape: (H, W, C) of the data.
      n_seeds: number of initial states.

    Returns:
      ({name: bytes}, entry in manifest.json).
    """
    files = {f"{name}.onnx": file.content for name, file in exported.items()}
    for seed in range(n_seeds):
        trees = update_steps.state_trees(init_jitted(method, seed))
        files[f"begin-{seed}.bin"] = initial_weights(trees)
    return files, {
        "players": [player.name for player in method.players],
        "files": {name: file.entry for name, file in exported.items()},
        "batch": batch,
        "shape": list(shape),
        "lr": {player.name: _initial_rate(method.hp, player.name) for player in method.players},
        "repeats": {player.name: player.repeats for player in method.players},
        "prior": noise_inputs.describe_sampler(priors.PRIORS[method.hp.prior].sampler),
        "z_dim": method.hp.z_dim,
        "kinds": len(method.conditioning.names),
        "to_net": _to_net(method.hp.pixels),
        "state": update_steps.state_layout(update_steps.state_trees(state_shapes(method))),
        "seeds": n_seeds,
    }


def _to_net(pixels: str) -> dict[str, float]:
    """Return {"scale", "shift"} that bring values in [-1, 1] to the range of the nets."""
    low, high = (float(images.to_net(np.float32(x), pixels)) for x in (-1, 1))
    return {"scale": (high - low) / 2, "shift": (high + low) / 2}


def _initial_rate(hp: Any, role: str) -> float:
    rate = optimizers.learning_rate(hp, role, 1)
    return float(rate(0)) if callable(rate) else float(rate)


def sample_inputs(method: Method, n: int) -> dict[str, Any]:
    """Return the argument of `sample_images`, for n samples, as jax.ShapeDtypeStruct."""
    trees = update_steps.state_trees(state_shapes(method))
    if "gen" in method.ema:
        state = {"ema": {"gen": trees["ema"]["gen"]}}
    else:
        state = {k: {"gen": trees[k]["gen"]} for k in ("params", "stats")}
    inputs = {"state": state, "z": spec(n, method.hp.z_dim)}
    if method.conditioning.names:
        inputs["given"] = spec(n, dtype=jnp.int32)
    return inputs


def sample_images(method: Method, arrays: dict[str, Any]) -> dict[str, jax.Array]:
    """Sample images in the range of the nets.

    Args:
      method: Method.
      arrays: "state", the weights that are sampled, averaged or not, see `sample_inputs`; "z"
        float32 [n, z_dim]; "given" int32 [n], if there are conditions.

    Returns:
      {"image": [n, H, W, C]}.
    """
    trees = arrays["state"]
    tree = trees["ema"]["gen"] if "ema" in trees else {k: trees[k]["gen"] for k in trees}
    vs = Vars({"gen": tree["params"]}, {"gen": tree["stats"]})
    ctx, condition = make_context(method), arrays.get("given")
    return {"image": method.sample(ctx, vs, arrays["z"], condition, jax.random.key(0))}


def _sample_points(method, arrays):
    generated = sample_images(method, arrays)["image"]
    points = images.from_net(generated, method.hp.pixels, points=True)
    return {"points": points.reshape(-1, 2)}


def _surface_inputs(method):
    trees = update_steps.state_trees(state_shapes(method))
    state = {k: {"disc": trees[k]["disc"]} for k in ("params", "stats")}
    return {"state": state, "at": spec(GRID_SIDE**2, 2)}


def _surface(method, arrays):
    vs = Vars(arrays["state"]["params"], arrays["state"]["stats"])

    def logits(at):
        x = images.to_net(at.reshape(-1, *POINT_SHAPE), method.hp.pixels)
        return apply_net(make_context(method), vs, "disc", x, train=False)[0].logit

    logit, pullback = jax.vjp(logits, arrays["at"])
    return {"logit": logit, "slope": pullback(jnp.ones_like(logit))[0]}


def initial_weights(trees: dict[str, Any]) -> bytes:
    """Write the weights and statistics of an initial state as float32.

    Args:
      trees: {"params", "stats", "opt"}, see update_steps.state_trees.

    Raises:
      ValueError: an optimizer does not begin at zero, which pages rely on.
    """
    trees = jax.device_get(trees)
    if any(np.any(leaf) for leaf in jax.tree.leaves(trees["opt"])):
        raise ValueError("An optimizer of this method does not begin at zero.")
    leaves = jax.tree.leaves({k: trees[k] for k in ("params", "stats")})
    return np.concatenate([np.asarray(leaf, np.float32).ravel() for leaf in leaves]).tobytes()


def distributions() -> dict[str, dict[str, Any]]:
    """Describe the distributions of points in the plane, in [-1, 1], for manifest.json.

    Returns:
      {name: {"centers": [[x, y]] of modes, or of points along the curve; "modes": whether they are
      modes; "sd"; "radius", within which a point belongs to a mode; "share" of the points that a
      mode must have to be covered}}.
    """
    described: dict[str, dict[str, Any]] = {}
    for name, toy in toys.TABLE.items():
        is_alias = any(toy is toys.TABLE[other] for other in described)
        if toy.dim != 2 or is_alias:
            continue
        centers = toy.centers
        if centers is None:
            centers = toy.curve((np.arange(N_POINTS) + 0.5) / N_POINTS)
        described[name] = {
            "centers": np.round(centers / toy.scale, 6).tolist(),
            "modes": bool(toy.classes),
            "sd": toy.sd / toy.scale,
            "radius": float(point_scores.MODE_RADIUS) * toy.sd / toy.scale,
            "share": point_scores.MIN_MODE_SHARE,
        }
    return described
