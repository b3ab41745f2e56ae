"""Export of generators and classifiers."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import priors
from gan_jax.core.method import Method, make_context
from gan_jax.core.state import Vars
from gan_jax.onnx_export import noise_inputs
from gan_jax.onnx_export.exporter import OnnxFile, batch_axis, convert, spec
from gan_jax.training import sampling

PIXEL_RANGES = {"tanh": [-1.0, 1.0], "sigmoid": [0.0, 1.0], "linear": None}  # None: unbounded


def export_generator(method: Method, vs: Vars) -> OnnxFile:
    """Export the generator as Method.sample runs it, in float32.

    Inputs: "z" float32 [B, z_dim], if it takes noise; "given", if it takes a condition: int32 [B]
    into method.conditioning.names, float32 [B, A] of quantities, or float32 images [B, H, W, C] in
    the range of the nets; "noise/I" for dropout, if samples have it. Output: "image" float32
    [B, H, W, C] in the range of the nets. With batch statistics an image depends on its batch, so B
    is sampling.CHUNK; else it is any number.

    Args:
      method: Method, trained in any precision.
      vs: Vars, averaged or not, of numpy or JAX arrays.

    Returns:
      OnnxFile whose entry also has "prior" and "noise", see noise_inputs.describe_sampler; "given"
      and "kinds", what the condition is and its names; "range" of pixels.
    """
    method, vs = method._replace(dtype=None), jax.tree.map(jnp.asarray, vs)
    n = sampling.CHUNK if method.hp.sample_stats == "batch" else 0
    example = _example_inputs(method, batch_axis(n))
    recorder = noise_inputs.NoiseRecorder()
    with recorder.recording():
        jax.eval_shape(lambda arrays: _sample(method, vs, arrays), example)
    example["noise"] = [spec(*noise["shape"]) for noise in recorder.specs]
    content, entry = convert(lambda arrays: _sample(method, vs, arrays), example, "generator")
    sampler = priors.PRIORS[method.hp.prior].sampler
    return OnnxFile(
        content,
        entry
        | {
            "prior": noise_inputs.describe_sampler(sampler) if "z" in example else None,
            "noise": recorder.specs,
            "given": method.conditioning.what,
            "kinds": list(method.conditioning.names),
            "range": PIXEL_RANGES[method.hp.pixels],
        },
    )


def _example_inputs(method: Method, n: Any) -> dict[str, Any]:
    """Return the argument of `_sample` without dropout noise, as jax.ShapeDtypeStruct."""
    z, condition = jax.eval_shape(
        lambda: method.latent(make_context(method), jax.random.key(0), sampling.CHUNK)
    )
    inputs: dict[str, Any] = {"z": spec(n, z.shape[1])} if z.shape[1] else {}
    if method.conditioning.needs_images:
        inputs["given"] = spec(n, *method.example_inputs["disc"][0].shape[1:])
    elif condition is not None:
        inputs["given"] = spec(n, *condition.shape[1:], dtype=condition.dtype)
    return inputs


def _sample(method: Method, vs: Vars, arrays: dict[str, Any]) -> dict[str, jax.Array]:
    """Return {"image"} from the inputs of the generator."""
    z, condition, noise = (arrays.get(name) for name in ("z", "given", "noise"))
    replaced = contextlib.nullcontext() if noise is None else noise_inputs.replaced_by(noise)
    with replaced:
        image = method.sample(make_context(method), vs, z, condition, jax.random.key(0))
        return {"image": image}


def export_classifier(net: Any, variables: Any, shape: tuple[int, ...]) -> OnnxFile:
    """Export a classifier.

    Input: "image" float32 [B, H, W, C] in [-1, 1]. Outputs: "logits" [B, K], "features" [B, F].

    Args:
      net: nets.classifier.Classifier.
      variables: its variables.
      shape: (H, W, C).
    """

    def classify(arrays):
        features, logits = net.apply(variables, arrays["image"])
        return {"features": features, "logits": logits}

    content, entry = convert(classify, {"image": spec(batch_axis(), *shape)}, "classifier")
    return OnnxFile(content, entry | {"range": PIXEL_RANGES["tanh"]})
