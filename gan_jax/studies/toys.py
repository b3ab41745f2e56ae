"""GANs on points in the plane, where every mode can be counted: which methods cover them?

Trains each system on each distribution, one after another, each in a run folder of its own
(--workdir/DISTRIBUTION/SYSTEM, with density.webp, an animated picture of the generated density),
and ends with a table and a figure. Systems: gan, distgan, dragan, wgan_gp, mgan. Nets and rates
follow the papers' own toys: Tran et al. 2018 (Dist-GAN, and the nets of gan and dragan), Gulrajani
et al. 2017 (WGAN-GP), Hoang et al. 2018 (MGAN). Not to the letter: learning rates of distgan and
dragan fall to 0 in a straight line (D11), reconstructions are real to D (D10), and WGAN-GP's nets
have a quarter of the width, at five times the rate, falling to 0. MGAN has as many generators as
the largest toy has modes, where its paper has 8 for 8, so that none has to bridge two of them; and
a penalty R1 in D, an averaged generator and a rate that falls to 0, without which 25 of them
reached 9 modes. Stopped, the same command goes on; finished runs are not repeated. A single run is
an ordinary one: gan-jax train gan --data=toys:gaussians25 --net=mlp --pixels=linear --z_dim=2 ...
"""

import dataclasses
import json
import pathlib

import jax
import numpy as np

from gan_jax import cache, config, images, methods
from gan_jax.commands import presets
from gan_jax.config import Config, Prepared
from gan_jax.data import toys
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.metrics import point_scores
from gan_jax.report import point_plots, score_tables, score_text
from gan_jax.rundir import run_folder, run_lock
from gan_jax.settings import MAX_STEPS, RunSettings, setting
from gan_jax.studies import run_outputs, runner


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags):
    """Flags of this study."""

    workdir: str = setting("runs/toys", "the folder of the study")
    toys: str = setting("gaussians25,gaussians8,plus,sine,swissroll", "distributions, with commas")
    systems: str = setting(",".join(presets.TOYS), "systems, with commas")
    steps: int = setting(20000, "generator updates of every run", low=1, high=MAX_STEPS)
    batch: int = setting(0, "points per minibatch; 0: each system's own", low=0)
    seed: int = setting(0, "seed of every run", low=0, high=2**31 - 1)
    n_points: int = setting(10000, "points that are scored", low=100)


GROUPS = (Flags(),)


def prepare(flags: Flags, name: str, toy: str, train: Dataset) -> Prepared:
    """Prepare the run of a system on a distribution.

    Raises:
      InputError
    """
    system = presets.TOYS[name]
    interval = min(max(flags.steps // 40, 10), flags.steps)
    run = RunSettings(
        data=f"toys:{toy}",
        batch=flags.batch or system.batch,
        steps=flags.steps,
        seed=flags.seed,
        log_every=interval,
        sample_every=interval,
        save_every=max(flags.steps // 4, 1),
        steps_per_dispatch=min(interval, 50),
    )
    hp = methods.TABLE[system.method].Settings(**{"ema": 0.0, **system.settings})
    config.validate_settings(run, hp, len(jax.devices()))
    return config.prepare(Config(system.method, system.method, run, hp), train)


def train_and_sample(prepared: Prepared, folder: pathlib.Path, n: int, seed: int) -> np.ndarray:
    """Train a run unless it is finished; return points float32 [n, 1, 1, D] that it generates."""
    with run_lock.lock_run(folder):
        runner.train_run(prepared, folder)
    return run_outputs.generate(run_folder.load(folder), n, seed)


COLUMNS = {
    "modes_covered": "modes",
    "registered": "registered",
    "kl_modes": "KL (nats)",
    "modes_3sd": "modes (3 sd)",
    "high_quality": "high quality",
    "reverse_kl": "reverse KL",
    "wasserstein": "Wasserstein",
}


def score_table(records: dict[str, dict[str, dict[str, float]]]) -> str:
    """Format scores {distribution: {system: {score: value}}}, a block per distribution."""
    lines = []
    for toy, rows in records.items():
        table = [[toy, *COLUMNS.values()]]
        for system, row in rows.items():
            table.append([system, *(score_text.format_score(row, name) for name in COLUMNS)])
        lines += ["", *score_tables.align(table)]
    return "\n".join(lines[1:])


def run(argv: list[str]) -> None:
    """Train and score the systems that a command line names; write scores.json and toys.png."""
    (flags,), root = runner.parse("toys", __doc__, GROUPS, argv)
    systems = runner.split_names(flags.systems, presets.TOYS, "systems")
    records, pictures = {}, []
    for toy in runner.split_names(flags.toys, toys.TABLE, "toys"):
        spec = f"toys:{toy}"
        train, _ = runner.open_splits(spec, DataOptions(8))
        # Not held-out points, which the scores compare with.
        order = np.random.default_rng(0).permutation(len(train.images))
        points = {"real": train.images[order[: flags.n_points]]}
        for name in systems:
            prepared = prepare(flags, name, toy, train)
            points[name] = train_and_sample(prepared, root / toy / name, flags.n_points, flags.seed)
        records[toy] = {
            name: {key: float(x) for key, x in point_scores.score_points(sample, spec).items()}
            for name, sample in points.items()
        }
        pictures += [
            point_plots.draw_density(sample, train.images, spec) for sample in points.values()
        ]
    scores = {"steps": flags.steps, "seed": flags.seed, "scores": records}
    cache.write_atomic(root / "scores.json", json.dumps(scores, indent=1))
    images.save_png(root / "toys.png", images.grid(np.stack(pictures), 1 + len(systems)))
    print(score_table(records))
    print(
        f"Picture, a row per distribution, columns real, {', '.join(systems)}: {root / 'toys.png'}"
    )
