"""The Inception-v3 network of FID, a second implementation: channels first, in float64.

Convolutions and pools are those of an `ops` class, so that other libraries can supply them.
`forward` fills in random weights that `state` lacks, so an empty state becomes a random one.
"""

import numpy as np
from scipy import signal

# Ranges of random weights of BatchNorm.
NORM = {
    "weight": (0.5, 1.5),
    "bias": (-0.5, 0.5),
    "running_mean": (-0.5, 0.5),
    "running_var": (0.5, 2),
}


class Numpy:
    """Convolution and pools in float64, by scipy and sums over windows."""

    @staticmethod
    def array(x):
        return np.asarray(x, np.float64)

    @staticmethod
    def cat(parts):
        return np.concatenate(parts, 1)

    @staticmethod
    def conv(x, w, stride, pads):
        x = np.pad(x, ((0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2))
        windows = _windows(x, w.shape[2:], stride)
        return np.einsum("nchwij,ocij->nohw", windows, np.asarray(w, np.float64), optimize=True)

    @staticmethod
    def average(x):
        """Average over 3 x 3 pixels, of which only those inside the image count."""
        box = np.ones((3, 3))
        inside = signal.convolve2d(np.ones(x.shape[2:]), box, "same")
        planes = x.reshape(-1, *x.shape[2:])
        sums = np.array([signal.convolve2d(plane, box, "same") for plane in planes])
        return sums.reshape(x.shape) / inside

    @staticmethod
    def maximum(x, stride, pad):
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
        return _windows(x, (3, 3), stride).max((4, 5))

    @staticmethod
    def relu(x):
        return np.maximum(x, 0)


def _windows(x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, size, (2, 3))
    return windows[:, :, ::stride, ::stride]


def layer(ops, state, rng):
    """Make the function of a convolution, a BatchNorm and a ReLU, with weights of `state`."""

    def run(x, name, out, kernel=(1, 1), stride=1, pads=(0, 0)):
        shape = (out, x.shape[1], *kernel)
        if f"{name}.conv.weight" not in state:
            weight = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
            state[f"{name}.conv.weight"] = weight.astype(np.float32)
            for part, (low, high) in NORM.items():
                state[f"{name}.bn.{part}"] = rng.uniform(low, high, out).astype(np.float32)
            state[f"{name}.bn.num_batches_tracked"] = np.int64(7)
        scale, shift, mean, var = (
            ops.array(state[f"{name}.bn.{part}"])[None, :, None, None] for part in NORM
        )
        y = ops.conv(x, ops.array(state[f"{name}.conv.weight"]), stride, pads)
        return ops.relu((y - mean) / (var + 0.001) ** 0.5 * scale + shift)

    return run


def forward(x, state, ops=Numpy, seed=0):
    """Compute (features [N, 2048], logits [N, 1008]) of images [N, 3, H, W].

    The dict `state` gets random weights where it has none.
    """
    rng = np.random.default_rng(seed)
    f = layer(ops, state, rng)
    x = f(ops.array(x), "Conv2d_1a_3x3", 32, (3, 3), 2)
    x = f(x, "Conv2d_2a_3x3", 32, (3, 3))
    x = f(x, "Conv2d_2b_3x3", 64, (3, 3), pads=(1, 1))
    x = f(ops.maximum(x, 2, 0), "Conv2d_3b_1x1", 80)
    x = ops.maximum(f(x, "Conv2d_4a_3x3", 192, (3, 3)), 2, 0)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = block_a(ops, f, x, name, pooled)
    x = block_b(ops, f, x, "Mixed_6a")
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = block_c(ops, f, x, name, width)
    x = block_d(ops, f, x, "Mixed_7a")
    x = block_e(ops, f, x, "Mixed_7b", ops.average)
    x = block_e(ops, f, x, "Mixed_7c", lambda x: ops.maximum(x, 1, 1))
    features = x.mean((2, 3))
    if "fc.weight" not in state:
        state["fc.weight"] = rng.normal(0, 0.05, (1008, 2048)).astype(np.float32)
        state["fc.bias"] = rng.normal(0, 1, 1008).astype(np.float32)
    return features, features @ ops.array(state["fc.weight"]).T + ops.array(state["fc.bias"])


def block_a(ops, f, x, name, pooled):
    five = f(f(x, f"{name}.branch5x5_1", 48), f"{name}.branch5x5_2", 64, (5, 5), pads=(2, 2))
    three = f(f(x, f"{name}.branch3x3dbl_1", 64), f"{name}.branch3x3dbl_2", 96, (3, 3), pads=(1, 1))
    three = f(three, f"{name}.branch3x3dbl_3", 96, (3, 3), pads=(1, 1))
    one = f(x, f"{name}.branch1x1", 64)
    return ops.cat([one, five, three, f(ops.average(x), f"{name}.branch_pool", pooled)])


def block_b(ops, f, x, name):
    double = f(x, f"{name}.branch3x3dbl_1", 64)
    double = f(double, f"{name}.branch3x3dbl_2", 96, (3, 3), pads=(1, 1))
    double = f(double, f"{name}.branch3x3dbl_3", 96, (3, 3), 2)
    three = f(x, f"{name}.branch3x3", 384, (3, 3), 2)
    return ops.cat([three, double, ops.maximum(x, 2, 0)])


def block_c(ops, f, x, name, width):
    across, down = {"kernel": (1, 7), "pads": (0, 3)}, {"kernel": (7, 1), "pads": (3, 0)}
    single = f(x, f"{name}.branch7x7_1", width)
    single = f(single, f"{name}.branch7x7_2", width, **across)
    single = f(single, f"{name}.branch7x7_3", 192, **down)
    double = f(x, f"{name}.branch7x7dbl_1", width)
    double = f(double, f"{name}.branch7x7dbl_2", width, **down)
    double = f(double, f"{name}.branch7x7dbl_3", width, **across)
    double = f(double, f"{name}.branch7x7dbl_4", width, **down)
    double = f(double, f"{name}.branch7x7dbl_5", 192, **across)
    one = f(x, f"{name}.branch1x1", 192)
    return ops.cat([one, single, double, f(ops.average(x), f"{name}.branch_pool", 192)])


def block_d(ops, f, x, name):
    three = f(f(x, f"{name}.branch3x3_1", 192), f"{name}.branch3x3_2", 320, (3, 3), 2)
    seven = f(x, f"{name}.branch7x7x3_1", 192)
    seven = f(seven, f"{name}.branch7x7x3_2", 192, (1, 7), pads=(0, 3))
    seven = f(seven, f"{name}.branch7x7x3_3", 192, (7, 1), pads=(3, 0))
    seven = f(seven, f"{name}.branch7x7x3_4", 192, (3, 3), 2)
    return ops.cat([three, seven, ops.maximum(x, 2, 0)])


def block_e(ops, f, x, name, pool):
    def halves(x, start):
        across = f(x, f"{start}a", 384, (1, 3), pads=(0, 1))
        return [across, f(x, f"{start}b", 384, (3, 1), pads=(1, 0))]

    single = halves(f(x, f"{name}.branch3x3_1", 384), f"{name}.branch3x3_2")
    double = f(x, f"{name}.branch3x3dbl_1", 448)
    double = f(double, f"{name}.branch3x3dbl_2", 384, (3, 3), pads=(1, 1))
    double = halves(double, f"{name}.branch3x3dbl_3")
    one = f(x, f"{name}.branch1x1", 320)
    return ops.cat([one, *single, *double, f(pool(x), f"{name}.branch_pool", 192)])
