"""Can reading keep up? Images per second of decoding, of the feed alone, and of steps.

decode: a folder of JPEG files of 424 px, as Galaxy Zoo has them, made into the uint8 cache, on one core and on all. Then, per
workload: feed, minibatches gathered from a memory-mapped file of 10,000 images and brought to the device, with nothing to wait
for; step, with all images on the device; streamed, steps that wait for the feed. ample: feed over step, above 1 where reading
does not limit training; streamed/step: what is left of the speed in practice. Medians, in turns; [interval] at 95 %.
"""

import dataclasses
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

from experiments.benchmarks import results
from experiments.benchmarks.intervals import estimate, ratio
from gan_jax.commands import command_line, process
from gan_jax.settings import setting

SIDE = 424  # of the files
N_STREAMED = 10_000


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workloads: str = setting(
        "", "which to run, by comma; empty: all training on images that is meant for this device"
    )
    files: int = setting(2000, "JPEG files to decode; 0: none", low=0)
    rounds: int = setting(7, "turns of each; intervals at 95 % need 6", low=6)
    steps: int = setting(5, "steps per turn", low=1)
    json: str = setting("", "also write the tables to this file")


def write_files(folder, n):
    """n JPEG files of smooth noise, SIDE pixels square."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (53, 53, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)


def decoding(n):
    """{"files", "cores", "one_core", "all_cores"}: images per second, cut to 207 px and made 128 px, into an empty cache."""
    from gan_jax.data import datasets

    cores, kept, out = os.sched_getaffinity(0), os.environ.get("GAN_JAX_CACHE"), {"files": n}
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder) / "files"
        files.mkdir()
        write_files(files, n)
        try:
            for name, some in (("one_core", {min(cores)}), ("all_cores", cores)):
                os.environ["GAN_JAX_CACHE"] = str(pathlib.Path(folder) / name)
                os.sched_setaffinity(0, some)
                began = time.perf_counter()
                datasets.load(f"folder:{files}", datasets.DataOptions(128, 207))
                out[name] = n / (time.perf_counter() - began)
        finally:
            os.sched_setaffinity(0, cores)
            os.environ.pop("GAN_JAX_CACHE")
            os.environ |= {"GAN_JAX_CACHE": kept} if kept else {}
    return out | {"cores": len(cores)}


class Feed:
    """The feed of a streaming Workload alone."""

    def __init__(self, work):
        self._work, self._done = work, 0

    def run(self, n_steps):
        """Seconds per step."""
        import jax

        began, n = time.perf_counter(), self._work.dispatch
        for _ in range(0, n_steps, n):
            jax.block_until_ready(self._work.feed.at(self._done, n))
            self._done += n
        return (time.perf_counter() - began) / (-(-n_steps // n) * n)


def measure(spec, folder, flags):
    """The row of a workload: images per second."""
    from experiments.benchmarks.workload import Workload, random_images

    images = random_images(spec.size, spec.colors, spec.shape.classes, N_STREAMED)
    np.save(folder / "images.npy", images.images)
    mapped = images._replace(images=np.load(folder / "images.npy", mmap_mode="r"))
    sizes = (
        spec.method,
        spec.options,
        spec.size,
        spec.batch,
        spec.colors,
        spec.n_classes,
        spec.dispatch,
    )
    step, streamed = Workload(*sizes), Workload(*sizes, mapped, resident=False)
    runs = {"feed": Feed(streamed), "step": step, "streamed": streamed}
    times, order = {name: [] for name in runs}, np.random.default_rng(0)
    for _ in range(flags.rounds):
        for name in order.permutation(list(runs)):
            times[name].append(runs[name].run(flags.steps))
    out = {f"{name}_per_s": step.images / estimate(spent).median for name, spent in times.items()}
    return out | {
        "ample": ratio(times, "step", "feed")._asdict(),
        "streamed": ratio(times, "step", "streamed")._asdict(),
    }


def run(argv):
    """Command line to tables."""
    import jax

    from experiments.benchmarks import workloads

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.feeding", [Settings()], argv)
    out, table = results.path(flags.json), {"decode": None, "workloads": []}
    specs = workloads.chosen(
        flags.workloads, jax.default_backend() == "gpu", lambda spec: spec.kind == "training"
    )
    if flags.files:
        table["decode"] = found = decoding(flags.files)
        print(
            f"decoding: {found['one_core']:,.0f} images/s on one core, {found['all_cores']:,.0f} on {found['cores']}"
        )
    print(
        f"{'images/s':<20} {'feed':>10} {'step':>10} {'streamed':>10} {'ample':>8} {'streamed/step':>24}",
        flush=True,
    )
    for name, spec in specs.items():
        with tempfile.TemporaryDirectory() as folder:
            row = measure(spec, pathlib.Path(folder), flags)
        table["workloads"].append({"workload": name, **row})
        speeds = " ".join(
            f"{row[f'{what}_per_s']:>10,.0f}" for what in ("feed", "step", "streamed")
        )
        s = row["streamed"]
        left = f"{s['median']:>8.2f} [{s['low']:.2f}, {s['high']:.2f}]"
        print(f"{name:<20} {speeds} {row['ample']['median']:>8.1f} {left}", flush=True)
        results.write(out, table)
    results.write(out, table)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
