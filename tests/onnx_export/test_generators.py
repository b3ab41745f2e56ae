"""Exported generators and classifiers give what JAX gives."""

import jax
import numpy as np
import pytest

from gan_jax.core.state import init_jitted
from gan_jax.nets.classifier import Classifier
from gan_jax.onnx_export import generators, noise_inputs
from tests import methods_small

pytest.importorskip("jax2onnx")
runtime = pytest.importorskip("onnxruntime")


def run(content, arrays):
    """Outputs of an ONNX file."""
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, arrays)


def inputs(entry, n):
    """Arrays for n rows, or as many as the file is made for."""
    r, out = np.random.default_rng(0), {}
    for name, spec in entry["inputs"].items():
        shape = [n if side == "B" else side for side in spec["shape"]]
        kinds = np.arange(shape[0]) % max(len(entry["kinds"]), 1)
        out[name] = (
            kinds.astype(np.int32) if spec["type"] == "int32" else r.random(shape, np.float32)
        )
    return out


@pytest.mark.parametrize("case", list(methods_small.CASES))
def test_generators_of_all_methods(case):
    """Within 1e-5, at two batch sizes where the file leaves it open."""
    method = methods_small.build(case)
    vs = init_jitted(method, 0).vars()
    content, entry = generators.export_generator(method, vs)
    for n in (5, 2):
        arrays = inputs(entry, n)
        drawn = [a for name, a in arrays.items() if name.startswith("noise/")]
        named = {k: a for k, a in arrays.items() if not k.startswith("noise/")} | (
            {"noise": drawn} if drawn else {}
        )
        want = jax.jit(lambda a: generators._sample(method, vs, a)["image"])(named)
        (made,) = run(content, arrays)
        np.testing.assert_allclose(made, want, rtol=0, atol=1e-5)
        assert made.std() > 1e-4 and list(made.shape[1:]) == entry["outputs"]["image"]["shape"][1:]
    assert entry["range"] == {"tanh": [-1, 1], "sigmoid": [0, 1]}[method.hp.pixels]
    assert ("given" in entry["inputs"]) == bool(method.conditioning.what) and entry["kinds"] == list(method.conditioning.names)


def test_only_dropout_needs_noise_when_sampling():
    """What is drawn inside a generator is an input of the file: uniform numbers, for colorization's dropout."""
    method = methods_small.build("colorize")
    _, entry = generators.export_generator(method, init_jitted(method, 0).vars())
    assert entry["noise"] and all(
        spec["kind"] == "uniform" and (spec["low"], spec["high"]) == (0, 1)
        for spec in entry["noise"]
    )
    assert entry["prior"] is None


def test_classifier():
    net = Classifier(4, widths=(4, 8))
    x = np.random.default_rng(0).uniform(-1, 1, (3, 20, 20, 3)).astype(np.float32)
    variables = net.init(jax.random.key(0), x)
    content, entry = generators.export_classifier(net, variables, (20, 20, 3))
    features, logits = net.apply(variables, x)
    for made, want in zip(run(content, {"image": x}), (features, logits), strict=True):
        np.testing.assert_allclose(made, want, rtol=0, atol=1e-5)
    assert list(entry["outputs"]) == ["features", "logits"]


def test_noise_that_no_file_can_describe_is_refused():
    with pytest.raises(ValueError, match="normal noise"):
        noise_inputs.describe_sampler(lambda key, shape: jax.random.randint(key, shape, 0, 3))
