"""Host memory of a long run and of large data: flat in the number of steps and of streamed images.

steps: resident memory of a process that trains a small GAN on the toy of 25 Gaussians, at each of
its log lines; growth by least squares over all but the first tenth. rows: resident memory of a
process after 200 steps on uint8 images of 28 px, streamed from a memory-mapped file, for 10^4 to
10^6 of them. own: memory that the process itself has written to, without pages of files such as the
images, which the system takes back when it needs the memory. Linux only.
"""

import dataclasses
import multiprocessing
import pathlib
import re
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from experiments.benchmarks import harness, processes
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import process
from gan_jax.data.datasets import Dataset
from gan_jax.settings import setting

SIZE, BATCH = 28, 64
BLOCK = 10_000  # images written at a time
STREAMED_STEPS = 200
TOY = "--data=toys:gaussians25 --net=mlp --width=32 --z_dim=2 --batch=64 --steps_per_dispatch=100"


@dataclasses.dataclass(frozen=True)
class Settings(harness.Output):
    """Flags of this command."""

    steps: int = setting(100_000, "length of the long run", low=1000)
    rows: str = setting("10000,100000,1000000", "numbers of streamed images, by comma")


def resident_mib(pid: int | str = "self") -> float:
    """Read the memory that a process has written to, in MiB; pages of files do not count."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) / 1024


def over_steps(steps: int) -> list[dict]:
    """Measure a run of the toy: [{"step", "own"}, ...], a row per log line."""
    rows, tenth = [], steps // 10
    intervals = f"--log_every={steps // 100} --sample_every={tenth} --save_every={tenth}"
    with tempfile.TemporaryDirectory() as folder:
        words = f"{TOY} {intervals} --steps={steps} --workdir={folder}/run".split()
        with processes.started("experiments.gan", words) as running:
            for line in running.stdout or ():
                if match := re.match(r"step (\d+)/", line):
                    rows.append({"step": int(match[1]), "own": resident_mib(running.pid)})
    if not rows or rows[-1]["step"] != steps:
        raise SystemExit(f"the run ended early; try: python -m experiments.gan {' '.join(words)}")
    return rows


def slope(rows: Sequence[dict]) -> float:
    """Fit the growth of own memory over all but the first tenth: MiB per 100,000 steps."""
    late = rows[len(rows) // 10 :]
    return float(np.polyfit([r["step"] for r in late], [r["own"] for r in late], 1)[0] * 1e5)


def write_images(path: pathlib.Path, n: int) -> None:
    """Write n random uint8 images [SIZE, SIZE, 1] as an .npy file, BLOCK of them at a time."""
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (n, SIZE, SIZE, 1))
    rng = np.random.default_rng(0)
    for start in range(0, n, BLOCK):
        part = out[start : start + BLOCK]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    out.flush()


def map_images(path: pathlib.Path) -> Dataset:
    """Open a file of `write_images` without reading it."""
    return Dataset(np.load(path, mmap_mode="r"), None, (), str(path), "")


def perceptron(**options) -> Workload:
    """Return the Workload of a fully connected GAN on such images."""
    return Workload("gan", {"net": "mlp", **options}, SIZE, 1, BATCH)


def _stream(path, steps, results):
    """Train on streamed images, and put the process's memory into a queue."""
    process.prepare_jax()
    from experiments.benchmarks.jax_programs import Training

    training = Training(perceptron(width=32, z_dim=8), map_images(path), resident=False)
    training.run(steps)
    results.put(resident_mib())


def over_rows(n: int, steps: int) -> dict:
    """Measure a new process that streams from n images: {"rows", "own"}."""
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path, results = pathlib.Path(folder) / "images.npy", fresh.SimpleQueue()
        write_images(path, n)
        child = fresh.Process(target=_stream, args=(path, steps, results))
        child.start()
        child.join()
        if child.exitcode:
            raise SystemExit(f"the process that streams ended with code {child.exitcode}")
        return {"rows": n, "own": results.get()}


def run(argv: list[str]) -> None:
    """Print the tables that the command line asks for."""

    def say(what, row):
        print(f"{what}: own {row['own']:>7.1f} MiB", flush=True)

    flags = harness.parse("experiments.benchmarks.memory", __doc__, Settings(), argv)
    steps, rows = over_steps(flags.steps), []
    for row in steps[:: max(1, len(steps) // 10)]:
        say(f"step {row['step']:>9,}", row)
    growth = slope(steps)
    print(f"growth: {growth:.2f} MiB of own memory per 100,000 steps", flush=True)
    counts = list(map(int, flags.rows.split(",")))
    over_rows(min(counts), 1)  # compiles: a process that compiles is larger than later ones
    for n in counts:
        rows.append(over_rows(n, STREAMED_STEPS))
        say(f"{n:>9,} images", rows[-1])
        record = {"steps": steps, "rows": rows, "mib_per_100k_steps": growth}
        harness.write_json(flags.json, record)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:], needs_jax=False))
