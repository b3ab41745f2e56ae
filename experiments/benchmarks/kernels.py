"""Single convolutions: ours and PyTorch's, beside a matrix product of as many multiply-adds.

Three maps of every layer, with kernels of 5 x 5 and stride 2: conv (forward in D), conv_t (forward
in G, and D's input gradient) and wgrad (weight gradients). PyTorch's are one call of its library
each, contiguous or channels-last, whichever is faster. product: XLA's matrix product of the layer's
patches and its kernels, with the patches in memory: what a convolution made of XLA's products can
reach. GFLOP/s at the median time; ratio: PyTorch's time over ours in the same round, median and
95 % interval.
"""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import harness
from experiments.benchmarks.harness import Column, Program
from experiments.benchmarks.intervals import ratio
from gan_jax.commands import command_line, process
from gan_jax.ops import compiling, conv

# (side in pixels, channels in, channels out): S2's middle one on MNIST, then DCGAN's at 64 px.
LAYERS = ((14, 64, 128), (32, 64, 128), (16, 128, 256), (8, 256, 512), (64, 3, 64))
BATCH, KERNEL = 64, 5
TURN = 0.1  # seconds that ours runs at least in every round
MAPS = ("conv", "conv_t", "wgrad")


class Call(Program):
    """Calls of a function without arguments."""

    def __init__(self, function: Callable[[], Any], block: Callable[[Any], Any]):
        """block: waits for the function's result."""
        self.function, self._block, self._last = function, block, None
        self.warm_up(time.perf_counter())

    def call(self):
        self._last = self.function()

    def wait(self):
        self._block(self._last)


def ours(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> dict[str, Call]:
    """Compile our three maps and the product; x, w, y: as in gan_jax.ops.conv."""
    k, side = w.shape[0], x.shape[1]
    patches = np.ones((np.prod(y.shape[:3]), k * k * w.shape[2]), np.float32)
    maps = {
        "conv": (lambda x, w: conv.conv(x, w, 2), x, w),
        "conv_t": (lambda y, w: conv.conv_t(y, w, 2, (side, side)), y, w),
        "wgrad": (lambda x, y: conv.wgrad(x, y, 2, k), x, y),
        "product": (jnp.matmul, patches, w.reshape(-1, w.shape[-1])),
    }
    calls = {}
    for name, (f, *arrays) in maps.items():
        arrays = [jnp.asarray(a) for a in arrays]
        compiled = compiling.jit(f).lower(*arrays).compile()
        calls[name] = Call(functools.partial(compiled, *arrays), jax.block_until_ready)
    return calls


def theirs(x: np.ndarray, w: np.ndarray, y: np.ndarray, variant: Any) -> dict[str, Call]:
    """Prepare PyTorch's three maps of the same arrays; variant: torch_programs.Variant."""
    import torch

    from experiments.benchmarks import torch_programs

    def tensor(array, *axes):
        out = torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))
        return out.to(torch_programs.device(), memory_format=variant.memory)

    x, w, y = tensor(x, 0, 3, 1, 2), tensor(w, 3, 2, 0, 1), tensor(y, 0, 3, 1, 2)
    pads = [w.shape[-1] // 2] * 2

    def backward(*mask):
        options = None, [2, 2], pads, [1, 1], False, [0, 0], 1, (*mask, False)
        return torch.ops.aten.convolution_backward(y, x, w, *options)

    functions = {
        "conv": lambda: torch.nn.functional.conv2d(x, w, None, 2, pads),
        "conv_t": lambda: backward(True, False),
        "wgrad": lambda: backward(False, True),
    }
    return {name: Call(f, lambda _: torch_programs.wait()) for name, f in functions.items()}


def measure(layer: tuple[int, int, int], rounds: int, batch: int = BATCH) -> Iterator[dict]:
    """Measure one layer; yield a row per map."""
    from experiments.benchmarks import torch_programs

    side, c_in, c_out = layer
    rng, half, kernel = np.random.default_rng(0), conv.out_size(side, 2), (KERNEL, KERNEL)
    shapes = (batch, side, side, c_in), (*kernel, c_in, c_out), (batch, half, half, c_out)
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
    programs = {f"ours {name}": program for name, program in ours(*arrays).items()}
    variants = [torch_programs.Variant(channels_last=last) for last in (False, True)]
    for variant in variants:
        calls = theirs(*arrays, variant)
        programs |= {f"{variant} {name}": program for name, program in calls.items()}
    n = max(1, round(TURN / programs["ours conv"].run(1)))
    times = harness.time_programs(programs, rounds, n)
    gflop = 2e-9 * batch * half**2 * float(np.prod(shapes[1]))
    speed = {name: gflop / float(np.median(t)) for name, t in times.items()}
    for name in MAPS:
        best = max((f"{variant} {name}" for variant in variants), key=lambda n: speed[n])
        r = ratio(times, best, f"ours {name}")
        yield {
            "layer": "x".join(map(str, layer)),
            "map": name,
            "gflop": gflop,
            "ours_gflop_s": speed[f"ours {name}"],
            "torch_gflop_s": speed[best],
            "product_gflop_s": speed["ours product"],
            "ratio": r.median,
            "interval": [r.low, r.high],
        }


COLUMNS = (
    Column("layer", -12),
    Column("map", -7),
    Column("gflop", 7, ".2f", "GFLOP"),
    Column("ours_gflop_s", 9, ".0f", "ours/s"),
    Column("torch_gflop_s", 9, ".0f", "PyTorch/s"),
    Column("product_gflop_s", 9, ".0f", "product/s"),
    Column("ratio", 6, ".2f"),
    Column("interval", 13, ".2f"),
)


def run(argv: list[str]) -> None:
    """Print the table of all layers."""
    flags = harness.parse("experiments.benchmarks.kernels", __doc__, harness.Rounds(), argv)
    command_line.need("torch", "this command", "bench")
    from experiments.benchmarks import torch_programs

    torch_programs.prepare()
    table = harness.Table(*COLUMNS, path=flags.json)
    for layer in LAYERS:
        for row in measure(layer, flags.rounds):
            table.add(row)


if __name__ == "__main__":
    process.restart_with_kept_memory()
    sys.exit(process.guarded(run, sys.argv[1:]))
