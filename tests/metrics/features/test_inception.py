"""Inception features against formulas, another implementation, and PyTorch where installed."""

import numpy as np
import pytest
from scipy import special

from gan_jax.metrics import features
from gan_jax.metrics.features import inception
from gan_jax.nets import inception as nets
from tests.metrics.helpers import assert_refused, random_dataset
from tests.reference import inception as reference


def linear_weights(side, out=299):
    """Weights float64 [out, side]: the two pixels around each sample, corners not aligned.

    The border is repeated.
    """
    at = np.maximum((np.arange(out) + 0.5) * side / out - 0.5, 0)
    low = at.astype(int)
    high = np.minimum(low + 1, side - 1)
    w = np.zeros((out, side))
    np.add.at(w, (np.arange(out), low), 1 - (at - low))
    np.add.at(w, (np.arange(out), high), at - low)
    return w


def cubic_weights(side, out=299):
    """Weights float64 [out, side]: Keys' cubic with a = -1/2; rows sum to 1.

    It is as wide as an output pixel where that is wider.
    """
    scale = side / out
    x = np.abs((np.arange(side) + 0.5 - (np.arange(out)[:, None] + 0.5) * scale) / max(scale, 1))
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    w = np.where(x < 1, near, np.where(x < 2, far, 0))
    return w / w.sum(1, keepdims=True)


def resize(images, weights):
    rows, columns = (weights(side) for side in images.shape[1:3])
    return np.einsum("ah,nhwc,bw->nabc", rows, images, columns, optimize=True)


@pytest.mark.parametrize("height, width", [(28, 28), (64, 48), (299, 299), (500, 350)])
def test_resizing(height, width):
    x = random_dataset(2, height, width).images
    found = inception.resize_bilinear(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, resize(x, linear_weights) / 127.5 - 1, atol=1e-5)
    found, expected = inception.resize_bicubic(x), resize(x, cubic_weights)
    assert found.dtype == np.float32 and (expected.min() < 0 or height >= 299)
    np.testing.assert_allclose(found, (expected.clip(0, 255) - 128) / 128, atol=1e-5)


@pytest.mark.parametrize("side", [28, 64, 299, 400])
def test_bilinear_of_pytorch(side):
    torch = pytest.importorskip("torch")
    x = random_dataset(2, side, side).images
    # In float64: in float32 it rounds the positions, too.
    theirs = torch.tensor(x / 255).permute(0, 3, 1, 2)
    theirs = 2 * torch.nn.functional.interpolate(theirs, (299, 299), mode="bilinear") - 1
    np.testing.assert_allclose(inception.resize_bilinear(x), theirs.permute(0, 2, 3, 1), atol=1e-6)


@pytest.mark.parametrize("side", [28, 64, 400])
def test_bicubic_of_clean_fid(side):
    theirs = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    x = random_dataset(2, side, side).images
    expected = (np.stack([theirs(image) for image in x]) - 128) / 128
    np.testing.assert_array_equal(inception.resize_bicubic(x), expected)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights: (state dict, the file that holds it)."""
    state, path = {}, tmp_path_factory.mktemp("inception") / "net.npz"
    reference.forward(np.zeros((1, 3, 75, 75)), state)
    np.savez(path, **state)
    return state, path


@pytest.mark.long
@pytest.mark.parametrize(
    "kind, resize_words",
    [("inception", "pytorch-fid bilinear 299"), ("inception-clean", "clean-fid bicubic 299")],
)
def test_inception(weights, monkeypatch, kind, resize_words):
    """Gray images of 20 pixels: resized by the formulas, and seen by the net in float64.

    Resized to 75 pixels, which is faster.
    """
    monkeypatch.setattr(inception, "_BATCH", 2)
    monkeypatch.setattr(nets, "SIDE", 75)
    real, is_clean = random_dataset(3, 20, 20, 1), kind == "inception-clean"
    w = (cubic_weights if is_clean else linear_weights)(20, 75)
    x = np.einsum("ah,nhwc,bw->ncab", w, real.images, w).clip(0, 255).repeat(3, 1)
    x = (x - 128) / 128 if is_clean else x / 127.5 - 1
    expected, logits = reference.forward(x, weights[0])
    space = features.load(real, None, f"{kind}:{weights[1]}")
    found, probs = space.apply(real.images)
    assert (found.shape, probs.shape, found.dtype) == ((3, 2048), (3, 1008), np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())
    np.testing.assert_allclose(probs, special.softmax(logits, 1), rtol=1e-3)
    assert space.name.startswith(f"{kind}-") and len(space.name) == len(kind) + 9
    assert space.resize == resize_words and space.classes == () and space.accuracy is None


def test_what_is_refused(weights, tmp_path):
    spec, other = f"inception:{weights[1]}", tmp_path / "other.npz"
    message = "sees gray or RGB images, not 4 channels"
    assert_refused(spec, message, random_dataset(channels=4))
    np.savez(other, x=np.zeros(3))
    message = "has no .*; give the state dict of pytorch-fid's Inception v3"
    assert_refused(f"inception:{other}", message)
    (tmp_path / "net.h5").write_bytes(b"no weights")
    assert_refused(f"inception:{tmp_path / 'net.h5'}", "ends in .h5; give weights as .pth")
