"""Exported generators and classifiers compute what JAX does."""

import jax
import numpy as np
import pytest

from gan_jax.core.initialize import init_jitted
from gan_jax.nets.classifier import Classifier
from gan_jax.onnx_export import generators, noise_inputs
from tests import methods_small
from tests.onnx_export.onnx_files import open_session, run_session

pytest.importorskip("jax2onnx")
pytest.importorskip("onnxruntime")


def random_inputs(entry, n):
    """Return arrays of n rows, or of as many as the file is made for."""
    r, arrays = np.random.default_rng(0), {}
    for name, spec in entry["inputs"].items():
        shape = [n if side == "B" else side for side in spec["shape"]]
        if spec["type"] == "int32":
            arrays[name] = (np.arange(shape[0]) % len(entry["kinds"])).astype(np.int32)
        else:
            arrays[name] = r.random(shape, np.float32)
    return arrays


@pytest.mark.parametrize("case", list(methods_small.CASES))
def test_generators_of_all_methods(case):
    """Within 1e-5, at two batch sizes where the file leaves it open."""
    method = methods_small.build(case)
    vs = init_jitted(method, 0).vars()
    # A loaded run has numpy arrays.
    content, entry = generators.export_generator(method, jax.device_get(vs))
    sample = jax.jit(lambda arrays: generators._sample(method, vs, arrays)["image"])
    for n in (5, 2):
        arrays = random_inputs(entry, n)
        image = run_session(open_session(content), entry, arrays)["image"]
        inputs = {k: a for k, a in arrays.items() if not k.startswith("noise/")}
        noise = [a for k, a in arrays.items() if k.startswith("noise/")]
        want = sample(inputs | ({"noise": noise} if noise else {}))
        np.testing.assert_allclose(image, want, rtol=0, atol=1e-5)
        assert image.std() > 1e-4
        assert list(image.shape[1:]) == entry["outputs"]["image"]["shape"][1:]
    assert entry["range"] == {"tanh": [-1, 1], "sigmoid": [0, 1]}[method.hp.pixels]
    assert ("given" in entry["inputs"]) == bool(method.conditioning.what)
    assert entry["kinds"] == list(method.conditioning.names)


def test_only_dropout_needs_noise_when_sampling():
    """Noise inside a generator is an input of the file: uniform, for colorization's dropout."""
    method = methods_small.build("colorize")
    _, entry = generators.export_generator(method, init_jitted(method, 0).vars())
    assert entry["noise"] and entry["prior"] is None
    for spec in entry["noise"]:
        assert (spec["kind"], spec["low"], spec["high"]) == ("uniform", 0, 1)


def test_classifier():
    net = Classifier(4, widths=(4, 8))
    x = np.random.default_rng(0).uniform(-1, 1, (3, 20, 20, 3)).astype(np.float32)
    variables = net.init(jax.random.key(0), x)
    content, entry = generators.export_classifier(net, variables, (20, 20, 3))
    outputs = run_session(open_session(content), entry, {"image": x})
    assert list(outputs) == ["features", "logits"]
    for output, want in zip(outputs.values(), net.apply(variables, x), strict=True):
        np.testing.assert_allclose(output, want, rtol=0, atol=1e-5)


def test_noise_that_no_file_can_describe_is_refused():
    with pytest.raises(ValueError, match="normal noise"):
        noise_inputs.describe_sampler(lambda key, shape: jax.random.randint(key, shape, 0, 3))
