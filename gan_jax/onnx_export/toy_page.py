"""What a page needs to train a GAN on points by itself: the update step, samples, D's surface, and weights to begin from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import optimizers, priors
from gan_jax.core.state import Vars, init_jitted, state_shapes
from gan_jax.core.method import apply_net, make_context
from gan_jax.data import toys
from gan_jax.metrics import point_scores
from gan_jax.onnx_export import noise_inputs, update_steps
from gan_jax.onnx_export.exporter import convert, spec

N_POINTS = 2000  # samples that are shown and counted, as many as Dist-GAN counts
SIDE = 40  # of the grid on which D's surface is shown
SHAPE = (1, 1, 2)  # of a point, as an image of one pixel


def files(method, batch, seeds=1):
    """All files of one method: {name: bytes}, and their entry in manifest.json.

    "PLAYER.onnx", "average.onnx": see update_steps.export. "sample.onnx": noise and, with several generators, int32 "given" to
    "points" [N_POINTS, 2] in [-1, 1] of the weights that are sampled. "surface.onnx": "at" [SIDE^2, 2] in [-1, 1] to D's
    "logit" [SIDE^2] there and its "slope" [SIDE^2, 2]. "begin-SEED.bin": float32 weights and statistics of a fresh state, as
    the entry lists them; the rest of a fresh state is zero, averages aside, which begin as the weights.

    Args:
      method: method.Method for points of two coordinates, whose nets compute in the range hp.pixels. batch: points per minibatch.
      seeds: how many fresh states.

    Raises:
      InputError: see update_steps.check.
    """
    made = update_steps.export(method, batch, SHAPE)
    made["sample"] = convert(
        functools.partial(_points, method), sample_example(method, N_POINTS), "sample"
    )
    made["surface"] = convert(
        functools.partial(_surface, method), _surface_example(method), "surface"
    )
    files, entry = bundle(method, made, batch, SHAPE, seeds)
    return files, entry | {"critic": getattr(method.hp, "loss", "") == "wasserstein"}


def bundle(method, made, batch, shape, seeds):
    """Files and entry of a method from what was exported of it. made: {name: (bytes, entry)}. shape: [H, W, C] of its data."""
    files = {f"{name}.onnx": content for name, (content, _) in made.items()}
    for seed in range(seeds):
        files[f"begin-{seed}.bin"] = begin(update_steps.state_of(init_jitted(method, seed)))
    return files, {
        "players": [player.name for player in method.players],
        "files": {name: entry for name, (_, entry) in made.items()},
        "batch": batch,
        "shape": list(shape),
        "lr": {player.name: _rate(method.hp, player.name) for player in method.players},
        "repeats": {player.name: player.repeats for player in method.players},
        "prior": noise_inputs.describe(priors.NOISE[method.hp.prior]),
        "z_dim": method.hp.z_dim,
        "kinds": len(method.conditioning.names),
        "to_net": _to_net(method.hp.pixels),
        "state": update_steps.layout(update_steps.state_of(state_shapes(method))),
        "seeds": seeds,
    }


def _to_net(pixels):
    """{"scale", "shift"} that take values of [-1, 1] to the range of the nets."""
    low, high = (float(images.to_net(np.float32(x), pixels)) for x in (-1, 1))
    return {"scale": (high - low) / 2, "shift": (high + low) / 2}


def _rate(hp, role):
    rate = optimizers.learning_rate(hp, role, 1)
    return float(rate(0)) if callable(rate) else float(rate)


def _sampled(method):
    """The part of the state that holds the weights that are sampled, as jax.ShapeDtypeStruct."""
    trees = update_steps.state_of(state_shapes(method))
    if "gen" in method.ema:
        return {"ema": {"gen": trees["ema"]["gen"]}}
    return {k: {"gen": trees[k]["gen"]} for k in ("params", "stats")}


def sample_example(method, n):
    """The argument of `sampled`, for n samples."""
    given = {"given": spec(n, dtype=jnp.int32)} if method.conditioning.names else {}
    return {"state": _sampled(method), "z": spec(n, method.hp.z_dim)} | given


def sampled(method, arrays):
    """{"image": [n, H, W, C]} in the range of the nets, of the part of the state that is sampled, noise and kinds."""
    trees = arrays["state"]
    tree = trees["ema"]["gen"] if "ema" in trees else {k: trees[k]["gen"] for k in trees}
    vs = Vars({"gen": tree["params"]}, {"gen": tree["stats"]})
    return {
        "image": method.sample(
            make_context(method), vs, arrays["z"], arrays.get("given"), jax.random.key(0)
        )
    }


def _points(method, arrays):
    made = sampled(method, arrays)["image"]
    return {"points": images.from_net(made, method.hp.pixels, points=True).reshape(-1, 2)}


def _surface_example(method):
    trees = update_steps.state_of(state_shapes(method))
    return {
        "state": {k: {"disc": trees[k]["disc"]} for k in ("params", "stats")},
        "at": spec(SIDE**2, 2),
    }


def _surface(method, arrays):
    vs = Vars(arrays["state"]["params"], arrays["state"]["stats"])

    def logits(at):
        x = images.to_net(at.reshape(-1, *SHAPE), method.hp.pixels)
        return apply_net(make_context(method), vs, "disc", x, train=False)[0].logit

    logit, back = jax.vjp(logits, arrays["at"])
    return {"logit": logit, "slope": back(jnp.ones_like(logit))[0]}


def begin(trees):
    """Weights and statistics of a fresh state as bytes; checks that its optimizers begin at zero, as pages take them to.

    Args:
      trees: {"params", "stats", "opt"}, and "ema" or not, which begins as the former two.
    """
    trees = jax.device_get(trees)
    if any(np.any(leaf) for leaf in jax.tree.leaves(trees["opt"])):
        raise ValueError("An optimizer of this method does not begin at zero.")
    leaves = jax.tree.leaves({k: trees[k] for k in ("params", "stats")})
    return np.concatenate([np.asarray(leaf, np.float32).ravel() for leaf in leaves]).tobytes()


def distributions():
    """{name: what a page draws points from, in [-1, 1]} of all toys in the plane.

    "centers": [[x, y]] of modes, or of points along the curve; "modes": whether they are modes; "sd"; "radius" within which a
    point counts for a mode; "share" of the points that a mode must hold to be covered.
    """
    out = {}
    for name, toy in toys.TABLE.items():
        if toy.dim == 2 and not any(toy is toys.TABLE[other] for other in out):
            centers = (
                toy.curve((np.arange(N_POINTS) + 0.5) / N_POINTS)
                if toy.centers is None
                else toy.centers
            )
            out[name] = {
                "centers": np.round(centers / toy.scale, 6).tolist(),
                "modes": bool(toy.classes),
                "sd": toy.sd / toy.scale,
                "radius": float(point_scores.RADIUS) * toy.sd / toy.scale,
                "share": point_scores.SHARE,
            }
    return out
