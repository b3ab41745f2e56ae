"""GANs on points in the plane, where every mode can be counted: which methods cover them, and what collapse looks like.

Trains each system on each distribution, one after another, each in a run folder of its own (--workdir/DISTRIBUTION/SYSTEM,
with density.webp, an animated picture of the generated density), and ends with a table and a figure. Systems: gan, distgan,
dragan, wgan_gp, mgan. Nets and rates follow the papers' own toys: Tran et al. 2018 (Dist-GAN, and the nets of gan and dragan),
Gulrajani et al. 2017 (WGAN-GP), Hoang et al. 2018 (MGAN). Not to the letter: learning rates of distgan and dragan fall to 0 in
a straight line (D11), reconstructions are real to D (D10), and WGAN-GP's nets have a quarter of the width, at five times the
rate, falling to 0. MGAN has as many generators as the largest toy has modes, where its paper has 8 for 8, so that none has to
bridge two of them; and a penalty R1 in D, an averaged generator and a rate that falls to 0, without which 25 of them reached 9
modes. Stopped, the same command goes on; finished runs are not repeated. Flagfiles in experiments/flagfiles: toys_smoke
(seconds). A single run is an ordinary one: python -m experiments.gan --data=toys:gaussians25 --net=mlp --pixels=linear
--z_dim=2 ...
"""

import dataclasses
import json
import pathlib

import numpy as np

from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import MAX_STEPS, RunSettings, setting

_TRAN = {
    "net": "mlp",
    "width": 128,
    "depth": 3,
    "init": "he",
    "z_dim": 2,
    "prior": "uniform",
    "lr": 1e-3,
    "beta1": 0.8,
}
SYSTEMS = {  # name: (method, its settings, batch)
    "gan": ("gan", {**_TRAN, "pixels": "linear"}, 128),
    "distgan": (
        "distgan",
        {
            **_TRAN,
            "pixels": "sigmoid",
            "beta2": 0.999,
            "recon_trains": "enc_gen",
            "recon_space": "bce",
            "gap_space": "data",
            "lambda_r": 0.1,
            "lambda_p": 0.1,
            "disc_weights": "half",
            "n_disc": 5,
            "schedule": "linear",
        },
        128,
    ),
    "dragan": (
        "gan",
        {**_TRAN, "pixels": "linear", "penalty": "dragan", "lambda_p": 1.0, "schedule": "linear"},
        128,
    ),
    "wgan_gp": (
        "gan",
        {
            "net": "mlp",
            "width": 128,
            "depth": 3,
            "init": "he",
            "z_dim": 2,
            "prior": "normal",
            "pixels": "linear",
            "loss": "wasserstein",
            "penalty": "wgan_gp",
            "lambda_p": 0.1,
            "n_disc": 5,
            "lr": 5e-4,
            "beta2": 0.9,
            "schedule": "linear",
        },
        256,
    ),
    "mgan": (
        "mgan",
        {
            "net": "mlp",
            "width": 128,
            "depth": 3,
            "init": "he",
            "z_dim": 2,
            "pixels": "linear",
            "n_gens": 25,
            "gen_batch": 16,
            "beta": 0.5,
            "penalty": "r1",
            "lambda_p": 1e-4,
            "lr": 1e-3,
            "schedule": "linear",
            "ema": 0.999,
        },
        256,
    ),
}


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of the study itself."""

    workdir: str = setting("runs/toys", "the folder of the study")
    toys: str = setting("gaussians25,gaussians8,plus,sine,swissroll", "distributions, with commas")
    systems: str = setting(",".join(SYSTEMS), "systems, with commas")
    steps: int = setting(20000, "generator updates of every run", low=1, high=MAX_STEPS)
    batch: int = setting(0, "points per minibatch; 0: each system's own", low=0)
    seed: int = setting(0, "seed of every run", low=0, high=2**31 - 1)
    n_points: int = setting(10000, "points that are scored", low=100)


GROUPS = (Study(),)


def prepare(study, system, toy, source):
    """config.Prepared of one run."""
    import jax

    from gan_jax import config, methods

    method, hp, batch = SYSTEMS[system]
    cadence = min(max(study.steps // 40, 10), study.steps)
    run = RunSettings(
        data=f"toys:{toy}",
        batch=study.batch or batch,
        steps=study.steps,
        seed=study.seed,
        log_every=cadence,
        sample_every=cadence,
        save_every=max(study.steps // 4, 1),
        steps_per_dispatch=min(cadence, 50),
    )
    settings = methods.TABLE[method].Settings(**{"ema": 0.0, **hp})
    config.validate_settings(run, settings, len(jax.devices()))
    return config.prepare(config.Config(method, method, run, settings), source)


def train(prepared, folder):
    """Trains a run unless it is finished."""
    from gan_jax.rundir import run_folder
    from gan_jax.training import training_loop

    with run_folder.lock_run(folder):
        if run_folder.prepare_folder(folder, prepared) != run_folder.RunStatus.FINISHED:
            training_loop.train(prepared, folder)


def score(study, folder, source):
    """Scores of a finished run, and the points themselves."""
    import jax

    from gan_jax.metrics import point_scores
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    trained = run_folder.load(folder)
    sampler = sampling.build_sampler(trained.method)
    made = sampler(trained.state.vars(ema=True), jax.random.key(study.seed), study.n_points)
    return {
        name: float(value) for name, value in point_scores.score(made, source.name).items()
    }, made


def names(text, known, flag):
    """The names in a flag. Raises InputError for one that is not known."""
    out = [word.strip() for word in text.split(",") if word.strip()]
    for name in out:
        if name not in known:
            raise InputError(f"--{flag}={text}: {name!r} is not known; use {', '.join(known)}.")
    if not out:
        raise InputError(f"--{flag} is empty; use some of {', '.join(known)}.")
    return out


COLUMNS = {
    "modes_covered": "modes",
    "registered": "registered",
    "kl_modes": "KL (nats)",
    "wasserstein": "Wasserstein",
}


def table(records):
    """The scores as text: a block per distribution, real points first."""
    lines = []
    for toy, rows in records.items():
        lines += ["", f"{toy:14}" + "".join(f"{title:>14}" for title in COLUMNS.values())]
        for system, row in rows.items():
            cells = ("-" if name not in row else f"{row[name]:.4g}" for name in COLUMNS)
            lines.append(f"{system:14}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines[1:])


def run(argv):
    """Command line to scores.json and toys.png."""
    from gan_jax import cache, images
    from gan_jax.data import datasets, toys
    from gan_jax.metrics import point_scores
    from gan_jax.report import point_plots

    (study,), _ = command_line.parse(__doc__, "experiments.toys", list(GROUPS), argv)
    systems, chosen = (
        names(study.systems, SYSTEMS, "systems"),
        names(study.toys, toys.TABLE, "toys"),
    )
    root = pathlib.Path(study.workdir).expanduser()
    records, rows = {}, []
    for toy in chosen:
        view = datasets.DataOptions(8)
        source, test = (datasets.load(f"toys:{toy}", view, split) for split in ("train", "test"))
        real = test.images[np.random.default_rng(0).permutation(len(test.images))[: study.n_points]]
        records[toy] = {"real": point_scores.score(real, source.name)}
        made = [real]
        for system in systems:
            folder = root / toy / system
            train(prepare(study, system, toy, source), folder)
            records[toy][system], drawn = score(study, folder, source)
            made.append(drawn)
        rows.append([point_plots.picture(drawn, source.images, source.name) for drawn in made])
    cache.write_atomic(
        root / "scores.json",
        json.dumps({"steps": study.steps, "seed": study.seed, "scores": records}, indent=1),
    )
    images.save_png(
        root / "toys.png",
        images.grid(np.stack([picture for row in rows for picture in row]), len(rows[0])),
    )
    print(table(records))
    print(
        f"Picture, a row per distribution, columns real, {', '.join(systems)}: {root / 'toys.png'}"
    )
