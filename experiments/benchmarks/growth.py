"""How steps per second change with batch, image size, width, members and the number of images.

Five panels of one picture. A DCGAN trains on random images from one base setting, and one thing
changes at a time. members: steps of all members per second, one after another and in one vmapped
program. images: of the data set, uint8 of 28 px, for a fully connected GAN; on the device, and
streamed from a memory-mapped file. Both should be level lines. The programs of a panel take turns
within rounds; median and 95 % interval over the rounds.
"""

import dataclasses
import functools
import io
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.benchmarks import harness, memory
from experiments.benchmarks.intervals import estimate
from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.members import InTurn, Vmapped
from experiments.benchmarks.workloads import Workload
from gan_jax import cache
from gan_jax.commands import process
from gan_jax.settings import RunSettings, setting
from gan_jax.training.program import steps_per_dispatch

# {panel: values on its axis}; the base setting has the value in the middle.
PANELS = {
    "batch": (8, 16, 32, 64, 128),
    "size": (16, 32, 64),
    "width": (4, 8, 16, 32, 64),
    "members": (1, 2, 4, 8),
    "images": (10**3, 10**4, 10**5, 10**6),
}
BASE = {name: PANELS[name][len(PANELS[name]) // 2] for name in ("batch", "size", "width")}
LABELS = {"size": "side of the images, pixels", "images": "images of the data set"}
LEAST = 10  # least ratio of the ends of an axis of speed
TURN = 0.5  # seconds that a point runs at least in every round


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    panels: str = setting(",".join(PANELS), "which to measure, by comma")
    png: str = setting("growth.png", "path of the picture")


class Point(NamedTuple):
    """One program of a panel."""

    line: str  # name of the curve
    x: int  # place on it
    run: Callable[[int], float]  # number of steps -> seconds per step
    weight: int = 1  # steps that one counts for


def _dcgan(**changes):
    """Build the DCGAN of the base setting with some changes."""
    batch, size, width = (BASE | changes).values()
    workload = Workload("gan", {"net": "dcgan", "width": width}, size, 3, batch)
    return Training(workload._replace(dispatch=steps_per_dispatch(RunSettings())))


def build_points(panel: str, folder: pathlib.Path) -> list[Point]:
    """Build the programs of a panel; folder: for the files that are streamed."""
    if panel == "members":
        first, points = _dcgan(), []
        for n in PANELS[panel]:
            members = [first.twin() for _ in range(n)]
            points.append(Point("in turn", n, InTurn(members).run, n))
            points.append(Point("vmapped", n, Vmapped(members).run, n))
        return points
    if panel == "images":
        workload, points = memory.perceptron(width=128), []
        workload = workload._replace(dispatch=steps_per_dispatch(RunSettings()))
        for n in PANELS[panel]:
            memory.write_images(folder / f"{n}.npy", n)
            dataset = memory.map_images(folder / f"{n}.npy")
            for line in ("resident", "streamed"):
                training = Training(workload, dataset, resident=line == "resident")
                points.append(Point(line, n, training.run))
        return points
    return [Point("steps", x, _dcgan(**{panel: x}).run) for x in PANELS[panel]]


def measure(points: list[Point], rounds: int) -> list[dict]:
    """Measure the points of a panel: [{"line", "x", "steps_per_s", "interval"}, ...]."""
    runs = {}
    for i, point in enumerate(points):
        point.run(1)
        runs[i] = functools.partial(point.run, max(1, round(TURN / point.run(1))))
    times, rows = harness.interleave(runs, rounds), []
    for i, point in enumerate(points):
        speed = estimate([point.weight / t for t in times[i]])
        row = {"line": point.line, "x": point.x, "steps_per_s": speed.median}
        rows.append(row | {"interval": [speed.low, speed.high]})
    return rows


def plot(panels: dict[str, list[dict]], title: str) -> bytes:
    """Plot panels, {panel: rows of `measure`}, as a PNG."""
    figure = Figure(figsize=(3.1 * len(panels), 3.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (panel, rows) in zip(all_axes, panels.items(), strict=True):
        _plot_panel(axes, panel, rows)
    all_axes[0].set_ylabel("steps per second")
    figure.suptitle(title, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _plot_panel(axes, panel, rows):
    lines = list(dict.fromkeys(row["line"] for row in rows))
    for line in lines:
        part = [row for row in rows if row["line"] == line]
        x, y = [row["x"] for row in part], np.array([row["steps_per_s"] for row in part])
        low, high = np.array([row["interval"] for row in part]).T
        axes.errorbar(x, y, [y - low, high - y], marker="o", markersize=3, capsize=2, label=line)
    axes.set_xscale("log", base=10 if panel == "images" else 2)
    axes.set_xticks(sorted({row["x"] for row in rows}))
    axes.xaxis.set_major_formatter(
        lambda x, _: f"{x:.0e}".replace("e+0", "e") if x >= 1000 else f"{x:.0f}"
    )
    axes.minorticks_off()
    axes.set_yscale("log")
    speeds = [row["steps_per_s"] for row in rows]
    # Noise would fill a panel whose lines are level.
    margin = 1.5 * max(1, LEAST / (max(speeds) / min(speeds))) ** 0.5
    axes.set_ylim(min(speeds) / margin, max(speeds) * margin)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(LABELS.get(panel, panel))
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize=8)


def run(argv: list[str]) -> None:
    """Measure, print and plot the panels that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.growth", __doc__, Settings(), argv)
    harness.check_writable("png", flags.png)
    panels, kind = harness.choose("panels", flags.panels, PANELS), jax.devices()[0].device_kind
    about = "{}; DCGAN, batch {batch}, {size} px, width {width}".format(kind, **BASE)
    print(f"{about}; {harness.confidence(flags.rounds)}")
    results = {}
    for panel in panels:
        with tempfile.TemporaryDirectory() as folder:
            points = build_points(panel, pathlib.Path(folder))
            results[panel] = measure(points, flags.rounds)
        for row in results[panel]:
            interval = harness.format_value(row["interval"], ".2f")
            speed = f"{row['steps_per_s']:>9.2f} {interval} steps/s"
            print(f"{panel:<8} {row['x']:>9,} {row['line']:<9} {speed}", flush=True)
        record = {"about": about, "rounds": flags.rounds, "panels": results}
        harness.write_json(flags.json, record)
        cache.write_atomic(pathlib.Path(flags.png).expanduser(), plot(results, about))


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
