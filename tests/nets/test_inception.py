"""The Inception network of FID against a second one in float64 and, if installed, PyTorch."""

import math

import jax
import numpy as np
import pytest

from gan_jax import errors
from gan_jax.nets import inception
from tests.reference import inception as reference

# The last blocks then have 6 x 6 and 3 x 3 pixels: some windows lie inside, some reach beyond the
# border.
SIDE = 139


@pytest.fixture(scope="module")
def weights():
    """A random state dict."""
    state = {}
    reference.forward(np.zeros((1, 3, 75, 75)), state)
    return state


@pytest.fixture(scope="module")
def seen(weights):
    """(images [N, H, W, 3], features, logits)."""
    coarse = np.random.default_rng(1).uniform(-1, 1, (2, 20, 20, 3)).astype(np.float32)
    x = coarse.repeat(7, 1).repeat(7, 2)[:, :SIDE, :SIDE]
    variables = inception.from_state_dict(weights, "random")
    return x, *jax.device_get(jax.jit(inception.Inception().apply)(variables, x))


def assert_close(found, expected, rtol):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < rtol * np.abs(expected).max()


def test_size():
    """As many weights as torchvision's inception_v3(num_classes=1008, aux_logits=False)."""
    spec = jax.eval_shape(
        inception.Inception().init, jax.random.key(0), np.zeros((1, 75, 75, 3), np.float32)
    )
    sizes = {
        name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
        for name, tree in spec.items()
    }
    assert sizes == {"params": 23_850_960, "batch_stats": 34_432}


@pytest.mark.parametrize("side", [75, 299])
def test_shapes(side):
    net = inception.Inception()
    x = jax.ShapeDtypeStruct((5, side, side, 3), np.float32)
    features, logits = jax.eval_shape(lambda x: net.init_with_output(jax.random.key(0), x)[0], x)
    assert (features.shape, logits.shape) == ((5, 2048), (5, 1008))


@pytest.mark.long
def test_float64(weights, seen):
    x, features, logits = seen
    expected = reference.forward(x.transpose(0, 3, 1, 2), weights)
    assert expected[0].std(0).mean() > 0.01  # the images can be told apart
    assert_close(features, expected[0], 1e-5)
    assert_close(logits, expected[1], 1e-5)


def test_pytorch(weights, seen):
    torch = pytest.importorskip("torch")

    class Torch:
        """The reference's operations, by PyTorch."""

        array = staticmethod(lambda x: torch.tensor(np.asarray(x, np.float32)))
        cat = staticmethod(lambda parts: torch.cat(parts, 1))
        conv = staticmethod(
            lambda x, w, stride, pads: torch.nn.functional.conv2d(x, w, stride=stride, padding=pads)
        )
        average = staticmethod(
            lambda x: torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        maximum = staticmethod(
            lambda x, stride, pad: torch.nn.functional.max_pool2d(x, 3, stride, pad)
        )
        relu = staticmethod(torch.relu)

    x, *found = seen
    with torch.no_grad():
        expected = reference.forward(x.transpose(0, 3, 1, 2), weights, Torch)
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b.numpy(), 1e-5)


def test_other_weights_are_refused(weights):
    def without(key):
        return {k: v for k, v in weights.items() if k != key}

    key = "Mixed_6c.branch7x7dbl_4.bn.running_var"
    with pytest.raises(errors.InputError, match=f"FILE has no {key}; give"):
        inception.from_state_dict(without(key), "FILE")
    with pytest.raises(
        errors.InputError, match=r"fc.weight of FILE is \[1000, 2048\], not as in pytorch-fid"
    ):
        inception.from_state_dict(weights | {"fc.weight": weights["fc.weight"][:1000]}, "FILE")
    with pytest.raises(errors.InputError, match="fc.bias of FILE has values that are not finite"):
        inception.from_state_dict(weights | {"fc.bias": np.full(1008, np.nan)}, "FILE")
    with pytest.raises(errors.InputError, match="FILE has AuxLogits.fc.bias, which"):
        inception.from_state_dict(weights | {"AuxLogits.fc.bias": np.zeros(1000)}, "FILE")
