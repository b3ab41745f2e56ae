"""A run's generator, and a data set's classifier, as ONNX files."""

import contextlib

import jax
import jax.numpy as jnp

from gan_jax.core import priors
from gan_jax.core.method import make_context
from gan_jax.onnx_export import noise_inputs
from gan_jax.onnx_export.exporter import batch_axis, convert, spec
from gan_jax.training import sampling

RANGES = {"tanh": [-1.0, 1.0], "sigmoid": [0.0, 1.0], "linear": None}  # of pixels; None: unbounded


def generator(method, vs):
    """The generator, as `method.sample` runs it, in float32 whatever it was trained in: (bytes, its entry in manifest.json).

    Inputs: "z" float32 [B, z_dim], if it takes noise; "given", if it is given something: int32 [B] out of method.conditioning.names, or
    float32 images [B, H, W, C] in the range of the nets; "noise/I" for dropout, where samples have it, as the entry says.
    Output: "image" float32 [B, H, W, C] in the range of the nets. With batch statistics an image depends on those beside it;
    B is then sampling.CHUNK, else any number.

    Args:
      method: method.Method. vs: state.Vars, averaged or not.
    """
    method = method._replace(dtype=None)
    fixed = sampling.CHUNK if method.hp.sample_stats == "batch" else 0
    example = _example(method, batch_axis(fixed))
    drawn = noise_inputs.Record()
    with drawn.recording():
        jax.eval_shape(lambda a: _sample(method, vs, a), example)
    example["noise"] = [spec(*draw["shape"]) for draw in drawn.specs]
    content, entry = convert(lambda a: _sample(method, vs, a), example, "generator")
    return content, entry | {
        "prior": noise_inputs.describe(priors.NOISE[method.hp.prior]) if "z" in example else None,
        "noise": drawn.specs,
        "given": method.conditioning.what,
        "kinds": list(method.conditioning.names),
        "range": RANGES[method.hp.pixels],
    }


def _example(method, n):
    z, given = jax.eval_shape(
        lambda: method.latent(make_context(method), jax.random.key(0), sampling.CHUNK)
    )
    out = {"z": spec(n, z.shape[1])} if z.shape[1] else {}
    if method.conditioning.needs_images:
        out["given"] = spec(n, *method.example_inputs["disc"][0].shape[1:])
    elif given is not None:
        out["given"] = spec(n, dtype=jnp.int32)
    return out


def _sample(method, vs, arrays):
    """{"image"} of the generator's inputs."""
    given = arrays.get("given")
    z = arrays.get("z")
    with noise_inputs.given(arrays["noise"]) if "noise" in arrays else contextlib.nullcontext():
        return {"image": method.sample(make_context(method), vs, z, given, jax.random.key(0))}


def classify(net, variables, shape):
    """A classifier.Classifier: float32 images [B, H, W, C] in [-1, 1] to "logits" [B, K] and "features" [B, F].

    Returns:
      (bytes, its entry in manifest.json)
    """

    def run(arrays):
        features, logits = net.apply(variables, arrays["image"])
        return {"features": features, "logits": logits}

    content, entry = convert(run, {"image": spec(batch_axis(), *shape)}, "classifier")
    return content, entry | {"range": RANGES["tanh"]}
