import sys

import numpy as np
import pytest

from gan_jax import errors, plugins
from gan_jax.metrics import features
from tests.metrics.helpers import assert_refused, random_dataset


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module with a function `embed`; returns its spec."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(text, name="my_space"):
        (tmp_path / f"{name}.py").write_text(f"import numpy as np\n{text}\n")
        sys.modules.pop(name, None)
        return f"python:{name}:embed"

    with plugins.trusting([plugins.ANY]):
        yield write
    for name in set(sys.modules) - before:
        if name.startswith("my_space"):
            del sys.modules[name]


def test_a_function(write_module):
    real = random_dataset(600)
    before = real.images.copy()
    body = "    images[:, 0] = 0\n    return images.mean((1, 2)).tolist()"
    spec = write_module(f"def embed(images):\n{body}")
    space = features.load(real, None, spec)
    found, probs = space.apply(real.images)
    assert found.shape == (600, 3) and found.dtype == np.float32 and probs is None
    assert features.count_features(spec, real) == 3
    np.testing.assert_allclose(found, before[:, 1:].sum((1, 2)) / 64, rtol=1e-6)
    np.testing.assert_array_equal(real.images, before)  # the function got a copy
    assert features.load(real, None, spec).name == space.name
    changed = write_module("def embed(images):\n    return images.max((1, 2))")
    assert changed == spec and features.load(real, None, changed).name != space.name


@pytest.mark.parametrize(
    "body, match",
    [
        (
            "return images.mean((1, 2))[:1].repeat(3, 0)",
            r"gives \[3, 3\] for 2 images; it must give \[2, F\]|for 6 images",
        ),
        ("return images.mean((1, 2, 3))", r"gives \[2\] for 2 images|gives \[6\] for 6 images"),
        ("return np.zeros((len(images), 0))", r"gives \[\d, 0\] for"),
        (
            "return np.full((len(images), 2), np.nan)",
            "gives infinite or undefined values .image 0 of",
        ),
        ("return np.full((len(images), 2), 1e300)", "gives infinite or undefined values"),
        ("return {'features': images}", "gives dict, which is no array of numbers"),
        ("return [['a']] * len(images)", "gives list, which is no array of numbers"),
        ("raise RuntimeError('no\\nGPU')", r"fails on uint8 \[\d, 8, 8, 3\] .RuntimeError: no GPU"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_a_function_must_not_give(write_module, body, match):
    spec = write_module(f"def embed(images):\n    {body}")
    assert_refused(spec, f"--features=python:my_space:embed .*({match})")


def test_missing_functions(write_module):
    spec = write_module("embed = 3")
    assert_refused(spec, "python:my_space:embed is no function")
    other = spec.replace("embed", "other")
    assert_refused(other, "python:my_space:other does not exist: my_space has no other")
    message = "cannot be imported .ModuleNotFoundError: No module named 'my_space_missing'"
    assert_refused(write_module("import my_space_missing"), message)
    message = "must name a module and a function in it; write python:MODULE:NAME"
    assert_refused("python:my_space", message)


@pytest.mark.parametrize(
    "body",
    ["x = images.mean((1, 2))\n    return x - x.mean(0)", "return np.random.rand(len(images), 4)"],
)
def test_images_must_be_seen_alone(write_module, body):
    """A net in training mode, and one that is random."""
    spec = write_module(f"def embed(images):\n    {body}")
    match = "change when an image is seen again beside another; use the net in evaluation mode"
    with pytest.raises(errors.InputError, match=match):
        features.count_features(spec, random_dataset())
