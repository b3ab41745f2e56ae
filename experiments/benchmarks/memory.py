"""Host memory of a long run and of large data: flat in the number of steps, and in the number of images when they are streamed.

steps: resident memory of a process that trains a small GAN on the toy of 25 Gaussians, at each of its log lines, until its
100,000th step; slope: growth by least squares over all but the first tenth. rows: of a process that has made 200 steps on uint8
images of 28 px streamed from a memory-mapped file, for 10^4 to 10^6 of them. own: what the process itself has written to; file:
pages of files, the images among them, which the system takes back when it needs the memory. Linux only.
"""

import dataclasses
import multiprocessing
import pathlib
import re
import sys
import tempfile

import numpy as np

from experiments.benchmarks import measured, results
from gan_jax.commands import command_line, process
from gan_jax.settings import setting

SIZE, BATCH = 28, 64
BLOCK = 10_000  # images written at a time
TOY = [
    "--data=toys:gaussians25",
    "--net=mlp",
    "--width=32",
    "--z_dim=2",
    "--batch=64",
    "--steps_per_dispatch=100",
]


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    steps: int = setting(100_000, "length of the long run", low=1000)
    rows: str = setting("10000,100000,1000000", "numbers of streamed images, by comma")
    streamed_steps: int = setting(200, "steps on each", low=1)
    json: str = setting("", "also write the tables to this file")


def resident(pid="self"):
    """{"own": MiB, "file": MiB} of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    kib = {
        name: int(re.search(rf"{key}:\s+(\d+) kB", status)[1])
        for name, key in (("own", "RssAnon"), ("file", "RssFile"))
    }
    return {name: value / 1024 for name, value in kib.items()}


def over_steps(steps, more=()):
    """[{"step", "own", "file"}, ...] of a training command, a row per log line. more: further flags."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cadences = [
            f"--log_every={steps // 100}",
            f"--sample_every={steps // 10}",
            f"--save_every={steps // 10}",
        ]
        words = [*TOY, *cadences, f"--steps={steps}", f"--workdir={folder}/run", *more]
        with measured.started("experiments.gan", words) as running:
            for line in running.stdout:
                if found := re.match(r"step (\d+)/", line):
                    rows.append({"step": int(found[1]), **resident(running.pid)})
    if not rows or rows[-1]["step"] != steps:
        raise SystemExit(f"the run ended early; try: python -m experiments.gan {' '.join(words)}")
    return rows


def slope(rows):
    """Growth of own memory in MiB per 100,000 steps, over all but the first tenth of the rows."""
    late = rows[len(rows) // 10 :]
    return float(np.polyfit([r["step"] for r in late], [r["own"] for r in late], 1)[0] * 1e5)


def write_images(path, n):
    """n random uint8 images [SIZE, SIZE, 1] as an .npy file, a block in memory at a time."""
    out, rng = (
        np.lib.format.open_memmap(path, "w+", np.uint8, (n, SIZE, SIZE, 1)),
        np.random.default_rng(0),
    )
    for start in range(0, n, BLOCK):
        part = out[start : start + BLOCK]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    out.flush()


def mapped(path):
    """data.datasets.Dataset of a file that `write_images` wrote."""
    from gan_jax.data.datasets import Dataset

    return Dataset(np.load(path, mmap_mode="r"), None, (), str(path), "")


def _stream(path, steps, answers):
    """In a process of its own: trains, and puts into a queue what it holds then."""
    process.prepare_jax()
    from experiments.benchmarks.workload import Workload

    work = Workload(
        "gan",
        {"net": "mlp", "width": 32, "z_dim": 8},
        SIZE,
        BATCH,
        1,
        source=mapped(path),
        resident=False,
    )
    work.run(steps)
    answers.put(resident())


def over_rows(n, steps):
    """{"rows", "own", "file"} of a process that streamed from n images."""
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path, answers = pathlib.Path(folder) / "images.npy", fresh.SimpleQueue()
        write_images(path, n)
        child = fresh.Process(target=_stream, args=(path, steps, answers))
        child.start()
        child.join()
        if child.exitcode:
            raise SystemExit(f"the process that streams ended with code {child.exitcode}")
        return {"rows": n, **answers.get()}


def run(argv):
    """Command line to tables."""
    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.memory", [Settings()], argv)
    out, tables = results.path(flags.json), {"steps": over_steps(flags.steps), "rows": []}
    for row in tables["steps"][:: max(1, len(tables["steps"]) // 10)]:
        print(f"step {row['step']:>9,}: own {row['own']:>7.1f} MiB, file {row['file']:>7.1f} MiB")
    tables["mib_per_100k_steps"] = slope(tables["steps"])
    print(
        f"growth: {tables['mib_per_100k_steps']:.2f} MiB of own memory per 100,000 steps",
        flush=True,
    )
    counts = list(map(int, flags.rows.split(",")))
    over_rows(
        min(counts), 1
    )  # compiles, which leaves a process larger than finding the program does
    for n in counts:
        tables["rows"].append(over_rows(n, flags.streamed_steps))
        row = tables["rows"][-1]
        print(
            f"{n:>9,} images: own {row['own']:>7.1f} MiB, file {row['file']:>7.1f} MiB", flush=True
        )
        results.write(out, tables)
    results.write(out, tables)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:], jax=False))
