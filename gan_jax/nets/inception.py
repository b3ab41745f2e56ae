"""The Inception-v3 network of the Frechet Inception distance (Szegedy et al., arXiv 1512.00567).

As the network of Heusel et al. 2017, it differs from the published one in its pools: the 3 x 3
averages ignore padding, the last block takes the maximum in place of the average, and there are
1,008 classes. Submodules have the names of PyTorch's Inception v3, which are the keys of
pytorch-fid's weights.
"""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from gan_jax.errors import InputError

SIDE = 299  # pixels that the weights were trained for
N_FEATURES, N_CLASSES = 2048, 1008

_LEAVES = {  # last two names of a variable -> those of PyTorch
    ("conv", "kernel"): "conv.weight",
    ("bn", "scale"): "bn.weight",
    ("bn", "bias"): "bn.bias",
    ("bn", "mean"): "bn.running_mean",
    ("bn", "var"): "bn.running_var",
    ("fc", "kernel"): "fc.weight",
    ("fc", "bias"): "fc.bias",
}


class Conv(nn.Module):
    """Convolution without bias, BatchNorm, ReLU: [N, H, W, Ci] -> [N, h, w, features].

    In full float32 on every device: by default a GPU rounds the factors to 10 bits.
    """

    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(
            self.features,
            self.kernel,
            self.stride,
            self.padding,
            use_bias=False,
            precision="highest",
            name="conv",
        )(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


_Reduce = functools.partial(Conv, kernel=(3, 3), stride=2, padding="VALID")


def _chain(x, name, *layers):
    """Apply layers name_1, name_2, ... one after another; each is (features, kernel)."""
    for i, (features, kernel) in enumerate(layers, 1):
        x = Conv(features, kernel, name=f"{name}_{i}")(x)
    return x


def _average(x):
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _maximum(x):
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halved(x):
    return nn.max_pool(x, (3, 3), (2, 2))


class BlockA(nn.Module):
    """[N, H, W, Ci] -> [N, H, W, 224 + pooled]."""

    pooled: int

    @nn.compact
    def __call__(self, x):
        one = Conv(64, name="branch1x1")(x)
        five = _chain(x, "branch5x5", (48, (1, 1)), (64, (5, 5)))
        three = _chain(x, "branch3x3dbl", (64, (1, 1)), (96, (3, 3)), (96, (3, 3)))
        pool = Conv(self.pooled, name="branch_pool")(_average(x))
        return jnp.concatenate([one, five, three, pool], -1)


class BlockB(nn.Module):
    """Halves the side: [N, H, W, Ci] -> [N, h, w, 480 + Ci], h = (H - 1) // 2."""

    @nn.compact
    def __call__(self, x):
        single = _Reduce(384, name="branch3x3")(x)
        double = _Reduce(96, name="branch3x3dbl_3")(
            _chain(x, "branch3x3dbl", (64, (1, 1)), (96, (3, 3)))
        )
        return jnp.concatenate([single, double, _halved(x)], -1)


class BlockC(nn.Module):
    """[N, H, W, Ci] -> [N, H, W, 768]."""

    width: int  # channels of the inner layers

    @nn.compact
    def __call__(self, x):
        across, down, w = (1, 7), (7, 1), self.width
        one = Conv(192, name="branch1x1")(x)
        single = _chain(x, "branch7x7", (w, (1, 1)), (w, across), (192, down))
        double = _chain(
            x, "branch7x7dbl", (w, (1, 1)), (w, down), (w, across), (w, down), (192, across)
        )
        pool = Conv(192, name="branch_pool")(_average(x))
        return jnp.concatenate([one, single, double, pool], -1)


class BlockD(nn.Module):
    """Halves the side: [N, H, W, Ci] -> [N, h, w, 512 + Ci], h = (H - 1) // 2."""

    @nn.compact
    def __call__(self, x):
        three = _Reduce(320, name="branch3x3_2")(_chain(x, "branch3x3", (192, (1, 1))))
        seven = _chain(x, "branch7x7x3", (192, (1, 1)), (192, (1, 7)), (192, (7, 1)))
        return jnp.concatenate([three, _Reduce(192, name="branch7x7x3_4")(seven), _halved(x)], -1)


class BlockE(nn.Module):
    """[N, H, W, Ci] -> [N, H, W, 2048]."""

    pool: Callable  # the pool that the last branch begins with

    @nn.compact
    def __call__(self, x):
        def split(x, name):
            return [
                Conv(384, kernel, name=f"{name}{part}")(x)
                for part, kernel in (("a", (1, 3)), ("b", (3, 1)))
            ]

        one = Conv(320, name="branch1x1")(x)
        single = split(_chain(x, "branch3x3", (384, (1, 1))), "branch3x3_2")
        double = split(_chain(x, "branch3x3dbl", (448, (1, 1)), (384, (3, 3))), "branch3x3dbl_3")
        pool = Conv(192, name="branch_pool")(self.pool(x))
        return jnp.concatenate([one, *single, *double, pool], -1)


class Inception(nn.Module):
    """The whole network.

    Input: [N, H, W, 3] float32 in [-1, 1], H and W >= 75 (299 in use).
    Returns: (features float32 [N, 2048], >= 0; logits float32 [N, 1008]).
    """

    @nn.compact
    def __call__(self, x):
        x = _Reduce(32, name="Conv2d_1a_3x3")(x)
        x = Conv(32, (3, 3), padding="VALID", name="Conv2d_2a_3x3")(x)
        x = _halved(Conv(64, (3, 3), name="Conv2d_2b_3x3")(x))
        x = Conv(80, name="Conv2d_3b_1x1")(x)
        x = _halved(Conv(192, (3, 3), padding="VALID", name="Conv2d_4a_3x3")(x))
        for letter, pooled in zip("bcd", (32, 64, 64), strict=True):
            x = BlockA(pooled, name=f"Mixed_5{letter}")(x)
        x = BlockB(name="Mixed_6a")(x)
        for letter, width in zip("bcde", (128, 160, 160, 192), strict=True):
            x = BlockC(width, name=f"Mixed_6{letter}")(x)
        x = BlockD(name="Mixed_7a")(x)
        for letter, pool in zip("bc", (_average, _maximum), strict=True):
            x = BlockE(pool, name=f"Mixed_7{letter}")(x)
        features = x.mean((1, 2))
        return features, nn.Dense(N_CLASSES, precision="highest", name="fc")(features)


def from_state_dict(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, dict]:
    """Convert a PyTorch state dict to variables of `Inception`.

    Args:
      arrays: {key: array}, keys of torchvision's Inception v3 without its auxiliary head; counters
        of batches are ignored.
      name: of the weights in errors, usually the file.

    Returns:
      {"params", "batch_stats"}: nested dicts of float32 arrays.

    Raises:
      InputError: a weight is missing, unknown, of another shape, or not finite.
    """
    image = jax.ShapeDtypeStruct((1, 75, 75, 3), np.float32)
    spec = jax.eval_shape(Inception().init, jax.random.key(0), image)
    variables, unused = {}, {key for key in arrays if not key.endswith("num_batches_tracked")}
    for path, leaf in traverse_util.flatten_dict(spec).items():
        key = ".".join([*path[1:-2], _LEAVES[path[-2:]]])
        if key not in arrays:
            raise InputError(
                f"{name} has no {key}; give the state dict of pytorch-fid's Inception v3."
            )
        value = np.asarray(arrays[key], np.float32)
        # from [Co, Ci, h, w] or [F, K]
        value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        if value.shape != leaf.shape:
            raise InputError(
                f"{key} of {name} is {list(arrays[key].shape)}, not as in pytorch-fid's "
                "Inception v3 (other weights measure other distances); give pytorch-fid's."
            )
        if not np.isfinite(value).all():
            raise InputError(
                f"{key} of {name} has values that are not finite; the file is damaged."
            )
        variables[path] = value
        unused.discard(key)
    if unused:
        raise InputError(
            f"{name} has {min(unused)}, which pytorch-fid's Inception v3 has not; "
            "give the weights of that net."
        )
    return traverse_util.unflatten_dict(variables)
