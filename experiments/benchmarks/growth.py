"""How steps per second change with batch, image size, width, members and the size of the data: five panels, one picture.

A DCGAN on random images, from one base setting, one thing changed at a time: small nets and images, or with --fast=false the
papers' sizes. The points of a panel take turns within rounds; median and interval at 95 % over the rounds. members: steps of
all members per second, in turns and in one program as --members_by has it. images: of the data set, uint8 of 28 px, for a fully
connected GAN; on the device, and streamed from a memory-mapped file. Both should be level lines.
"""

import dataclasses
import io
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.benchmarks import memory, results
from experiments.benchmarks.intervals import coverage, estimate, rank
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

PANELS = ("batch", "size", "width", "members", "images")
LEAST = 10  # times between the ends of a panel's axis of speed
TURN = 0.5  # seconds that a turn of a point lasts at least, where the number of steps is not given


class Scale(NamedTuple):
    """What a panel goes over; the base has the value in the middle of each list."""

    batch: tuple
    size: tuple
    width: tuple
    members: tuple
    images: tuple

    def base(self):
        """{"batch", "size", "width"}"""
        return {
            name: getattr(self, name)[len(getattr(self, name)) // 2]
            for name in ("batch", "size", "width")
        }


FAST = Scale(
    (8, 16, 32, 64, 128),
    (16, 32, 64),
    (4, 8, 16, 32, 64),
    (1, 2, 4, 8),
    (10**3, 10**4, 10**5, 10**6),
)
FULL = FAST._replace(batch=(16, 32, 64, 128, 256), size=(32, 64, 128), width=(32, 64, 128))
TINY = Scale((4, 8, 16), (8, 16), (2, 4), (1, 2), (10**2, 10**3))


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    panels: str = setting(",".join(PANELS), "which to measure, by comma")
    fast: bool = setting(
        True, "small nets and images, minutes on 2 cores; false: the papers' sizes, a GPU"
    )
    tiny: bool = setting(False, "the least that shows that all works")
    rounds: int = setting(7, "turns of each point; intervals at 95 % need 6", low=6)
    steps: int = setting(0, f"steps per turn; 0: as many as a point makes in {TURN} s", low=0)
    png: str = setting("growth.png", "where the picture goes")
    json: str = setting("", "also write the numbers to this file")


class Point(NamedTuple):
    """line: name of the curve. x: place on it. run: n -> seconds per step. weight: steps that one counts for."""

    line: str
    x: int
    run: Callable
    weight: int = 1


def dispatch():
    """Steps in one compiled call that suit this machine."""
    from gan_jax.settings import RunSettings
    from gan_jax.training import training_loop

    return training_loop.per_dispatch(RunSettings())


def dcgan(batch, size, width):
    """The Workload of a DCGAN."""
    from experiments.benchmarks.workload import Workload

    return Workload("gan", {"net": "dcgan", "width": width}, size, batch, dispatch=dispatch())


def along(name, scale):
    """Points of the panels batch, size and width."""
    return [
        Point("steps", x, dcgan(**(scale.base() | {name: x})).run) for x in getattr(scale, name)
    ]


def of_members(scale):
    """Points of members in turn, and in one program."""
    import jax

    from experiments.benchmarks.members import Together, Turns

    first, points = dcgan(**scale.base()), []
    how = "unrolled" if jax.default_backend() == "cpu" else "vmapped"
    for n in scale.members:
        works = [first.twin() for _ in range(n)]
        ways = {"in turns": Turns(works), how: Together(works, how)}
        points += [
            Point(name, n, lambda k, way=way: way.run(k) / k, n) for name, way in ways.items()
        ]
    return points


def of_images(scale, folder):
    """Points of numbers of images, resident and streamed. folder: for the files that are streamed."""
    from experiments.benchmarks.workload import Workload

    points = []
    for n in scale.images:
        path = folder / f"{n}.npy"
        memory.write_images(path, n)
        mapped, settings = memory.mapped(path), {"net": "mlp", "width": 128}
        for line in ("resident", "streamed"):
            more = {"dispatch": dispatch(), "source": mapped, "resident": line == "resident"}
            work = Workload("gan", settings, memory.SIZE, memory.BATCH, 1, **more)
            points.append(Point(line, n, work.run))
    return points


def measure(points, flags):
    """[{"line", "x", "steps_per_s", "interval"}, ...] of the points of a panel, in turns."""
    for point in points:
        point.run(1)
    steps = [flags.steps or max(1, round(TURN / point.run(1))) for point in points]
    times, order = [[] for _ in points], np.random.default_rng(0)
    for _ in range(flags.rounds):
        for i in order.permutation(len(points)):
            times[i].append(points[i].run(steps[i]))
    out = []
    for point, spent in zip(points, times, strict=True):
        speed = estimate([point.weight / t for t in spent])
        out.append(
            {
                "line": point.line,
                "x": point.x,
                "steps_per_s": speed.median,
                "interval": [speed.low, speed.high],
            }
        )
    return out


def draw(table, title):
    """A PNG of the panels as bytes. table: {panel: rows, see `measure`}."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(3.1 * len(table), 3.2), layout="constrained")
    for axes, (panel, rows) in zip(
        figure.subplots(1, len(table), squeeze=False)[0], table.items(), strict=True
    ):
        for line in dict.fromkeys(row["line"] for row in rows):
            part = [row for row in rows if row["line"] == line]
            x, y = [row["x"] for row in part], np.array([row["steps_per_s"] for row in part])
            low, high = np.array([row["interval"] for row in part]).T
            axes.errorbar(
                x, y, [y - low, high - y], marker="o", markersize=3, capsize=2, label=line
            )
        axes.set_xscale("log", base=10 if panel == "images" else 2)
        axes.set_xticks(sorted({row["x"] for row in rows}))
        axes.xaxis.set_major_formatter(
            lambda x, _: f"{x:.0e}".replace("e+0", "e") if x >= 1000 else f"{x:.0f}"
        )
        axes.minorticks_off()
        axes.set_yscale("log")
        speeds = [row["steps_per_s"] for row in rows]
        spread = (
            max(1, LEAST / (max(speeds) / min(speeds))) ** 0.5
        )  # or noise would fill a panel whose lines are level
        axes.set_ylim(min(speeds) / spread / 1.5, max(speeds) * spread * 1.5)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(
            {"size": "side of the images, pixels", "images": "images of the data set"}.get(
                panel, panel
            )
        )
        if len({row["line"] for row in rows}) > 1:
            axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel("steps per second")
    figure.suptitle(title, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def run(argv):
    """Command line to picture."""
    import jax

    from gan_jax import cache

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.growth", [Settings()], argv)
    out, png = results.path(flags.json), results.path(flags.png, "png")
    names, scale = flags.panels.split(","), TINY if flags.tiny else FAST if flags.fast else FULL
    if unknown := [n for n in names if n not in PANELS]:
        raise InputError(f"--panels={unknown[0]} is not known; use some of: {', '.join(PANELS)}.")
    kind, base = jax.devices()[0].device_kind, scale.base()
    about = f"{kind}; DCGAN, batch {base['batch']}, {base['size']} px, width {base['width']}"
    print(
        f"{about}; [interval]: holds the median with probability {coverage(flags.rounds, rank(flags.rounds)):.3f}"
    )
    table = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            makers = {
                "members": lambda: of_members(scale),
                "images": lambda f=folder: of_images(scale, pathlib.Path(f)),
            }
            table[name] = measure(makers.get(name, lambda n=name: along(n, scale))(), flags)
        for row in table[name]:
            low, high = row["interval"]
            speed = f"{row['steps_per_s']:>9.2f} [{low:.2f}, {high:.2f}] steps/s"
            print(f"{name:<8} {row['x']:>9,} {row['line']:<9} {speed}", flush=True)
        results.write(out, {"about": about, "rounds": flags.rounds, "panels": table})
        cache.write_atomic(png, draw(table, about))


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
