"""Single convolutions: ours and PyTorch's, beside a matrix product of as many multiply-adds.

Of every layer, with stride 2, what a step does with it: conv (forward in D), conv_t (forward in G and D's input gradient) and
wgrad (weight gradients). PyTorch's are one call of its library each, contiguous or channels-last, whichever is faster. product:
XLA's matrix product of the layer's patches and its kernels, as if the patches lay in memory: what a convolution made of XLA's
products can reach. GFLOP/s at the median time; ratio: PyTorch's time over ours in the same round, median and interval at 95 %.
"""

import dataclasses
import re
import sys
import time

import numpy as np

from experiments.benchmarks import results, timing
from experiments.benchmarks.intervals import ratio
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

TURN = 0.1  # seconds that a turn of ours lasts at least
MAPS = ("conv", "conv_t", "wgrad")


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    layers: str = setting(
        "14x64x128,32x64x128,16x128x256,8x256x512,64x3x64",
        "side in pixels x channels in x channels out of each, by comma: S2's middle one on MNIST, then those of DCGAN at 64 px",
    )
    kernel: int = setting(5, "side of the kernels", choices=(3, 5))
    batch: int = setting(64, "images", low=1)
    rounds: int = setting(7, "turns of each; intervals at 95 % need 6", low=6)
    json: str = setting("", "also write the table to this file")


def parsed(text):
    """[(side, channels in, channels out)] of --layers."""
    if wrong := [
        word for word in text.split(",") if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", word)
    ]:
        raise InputError(
            f"--layers={wrong[0]} is not side x channels in x channels out, as 14x64x128."
        )
    return [tuple(map(int, word.split("x"))) for word in text.split(",")]


class _Run:
    """A function of no arguments, to be timed. wait: called with its last result."""

    def __init__(self, call, wait):
        self.call, self._wait = call, wait
        self.run(2)

    def run(self, n):
        """Seconds per call over n calls."""
        began = time.perf_counter()
        for _ in range(n):
            out = self.call()
        self._wait(out)
        return (time.perf_counter() - began) / n


def ours(x, w, y):
    """{name: run} of the three maps and of the product. x, w, y: arrays as of nets.conv."""
    import jax
    import jax.numpy as jnp

    from gan_jax.ops import conv, cpu

    k, h = w.shape[0], x.shape[1]
    patches = jnp.ones((y.shape[0] * y.shape[1] * y.shape[2], k * k * w.shape[2]))
    maps = {
        "conv": (lambda x, w: conv.conv(x, w, 2), (x, w)),
        "conv_t": (lambda y, w: conv.conv_t(y, w, 2, (h, h)), (y, w)),
        "wgrad": (lambda x, y: conv.wgrad(x, y, 2, k), (x, y)),
        "product": (jnp.matmul, (patches, w.reshape(-1, w.shape[-1]))),
    }

    def run(f, args):
        args = tuple(map(jnp.asarray, args))
        program = jax.jit(f, compiler_options=cpu.compiler_options()).lower(*args).compile()
        return _Run(lambda: program(*args), jax.block_until_ready)

    return {name: run(*both) for name, both in maps.items()}


def theirs(x, w, y, variant):
    """{name: run} of the three maps in PyTorch. variant: torch_runs.Variant."""
    import torch

    from experiments.benchmarks import torch_runs

    x, w, y = (
        torch.from_numpy(np.ascontiguousarray(a.transpose(axes))).to(
            torch_runs.device(), memory_format=variant.memory
        )
        for a, axes in ((x, (0, 3, 1, 2)), (w, (3, 2, 0, 1)), (y, (0, 3, 1, 2)))
    )
    pads = [w.shape[-1] // 2] * 2

    def gradient(*mask):
        options = None, [2, 2], pads, [1, 1], False, [0, 0], 1, (*mask, False)
        return lambda: torch.ops.aten.convolution_backward(y, x, w, *options)

    calls = {"conv": lambda: torch.nn.functional.conv2d(x, w, None, 2, pads)}
    calls |= {"conv_t": gradient(True, False), "wgrad": gradient(False, True)}
    return {name: _Run(call, lambda _: torch_runs.wait()) for name, call in calls.items()}


def measure(layer, flags):
    """Rows of one layer, one for each map."""
    from experiments.benchmarks import torch_runs
    from gan_jax.ops import conv

    side, c_in, c_out = layer
    r, half = np.random.default_rng(0), conv.out_size(side, 2)
    shapes = (
        (flags.batch, side, side, c_in),
        (flags.kernel, flags.kernel, c_in, c_out),
        (flags.batch, half, half, c_out),
    )
    arrays = [r.standard_normal(shape, np.float32) for shape in shapes]
    runs = {f"ours {name}": run for name, run in ours(*arrays).items()}
    variants = [torch_runs.Variant(channels_last=last) for last in (False, True)]
    for variant in variants:
        runs |= {f"{variant} {name}": run for name, run in theirs(*arrays, variant).items()}
    times = timing.rounds(runs, flags.rounds, max(1, round(TURN / runs["ours conv"].run(1))))
    gflop = 2e-9 * flags.batch * half**2 * np.prod(shapes[1], dtype=float)
    speed = {name: gflop / float(np.median(t)) for name, t in times.items()}
    for name in MAPS:
        best = max((f"{variant} {name}" for variant in variants), key=speed.get)
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


def run(argv):
    """Command line to table."""
    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.kernels", [Settings()], argv)
    layers, out, table = parsed(flags.layers), results.path(flags.json), []
    command_line.need("torch", "this command", "bench")
    from experiments.benchmarks import torch_runs

    torch_runs.prepare()
    print(
        f"{'layer':<12} {'map':<7} {'GFLOP':>7} {'ours/s':>9} {'PyTorch/s':>9} {'product/s':>9}  ratio"
    )
    for layer in layers:
        for row in measure(layer, flags):
            low, high = row["interval"]
            speeds = " ".join(
                f"{row[f'{side}_gflop_s']:>9.0f}" for side in ("ours", "torch", "product")
            )
            about = f"{row['layer']:<12} {row['map']:<7} {row['gflop']:>7.2f}"
            print(f"{about} {speeds}  {row['ratio']:.2f} [{low:.2f}, {high:.2f}]", flush=True)
            table.append(row)
        results.write(out, table)


if __name__ == "__main__":
    process.keep_memory()
    sys.exit(process.guarded(run, sys.argv[1:]))
