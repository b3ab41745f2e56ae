"""Can reading keep up? Images per second of the loader alone and of training steps.

loader: minibatches gathered from a memory-mapped file of 10,000 images and brought to the device,
while nothing else runs. step: training with all images on the device. streamed: training that waits
for the loader. ample: loader over step, above 1 where reading does not limit training.
streamed/step: share of the speed that is left in practice. Medians and 95 % intervals over rounds.
"""

import dataclasses
import pathlib
import sys
import tempfile

import jax
import numpy as np

from experiments.benchmarks import harness, workloads
from experiments.benchmarks.harness import Column, Program
from experiments.benchmarks.intervals import estimate, ratio
from experiments.benchmarks.jax_programs import Training, random_images
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import process
from gan_jax.settings import setting

N_STREAMED = 10_000  # images in the file


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting("", "which to run, by comma; empty: all that train, for this device")
    steps: int = setting(5, "steps per round", low=1)


class LoaderAlone(Program):
    """The minibatches of a Training, without its steps."""

    def __init__(self, training: Training):
        self._loader, self._done = training.loader, 0
        self.units_per_call = training.units_per_call

    def call(self):
        jax.block_until_ready(self._loader.inputs(self._done, self.units_per_call))
        self._done += self.units_per_call


def measure(workload: Workload, flags: Settings) -> dict:
    """Measure one workload."""
    images = random_images(workload, N_STREAMED)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "images.npy"
        np.save(path, images.images)
        mapped = images._replace(images=np.load(path, mmap_mode="r"))
        step, streamed = Training(workload), Training(workload, mapped, resident=False)
        programs = {"loader": LoaderAlone(streamed), "step": step, "streamed": streamed}
        times = harness.time_programs(programs, flags.rounds, flags.steps)
    row: dict = {f"{n}_per_s": step.images_per_step / estimate(t).median for n, t in times.items()}
    row["ample"] = ratio(times, "step", "loader")._asdict()
    return row | {"streamed": ratio(times, "step", "streamed")._asdict()}


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.feeding", __doc__, Settings(), argv)
    selected = workloads.select(flags.workloads, lambda w: w.kind == "training")
    names = "loader", "step", "streamed"
    table = harness.Table(
        Column("workload", -20),
        *(Column(f"{name}_per_s", 12, ",.0f", f"{name}/s") for name in names),
        Column("ample", 24),
        Column("streamed", 20, ".2f", "streamed/step"),
        path=flags.json,
    )
    for name, workload in selected.items():
        table.add({"workload": name, **measure(workload, flags)})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
