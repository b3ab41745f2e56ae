"""Mode collapse shown, measured, cured: which GANs cover the modes of the data, at what cost, and how long must they train?

Trains systems on one data set from several seeds, all runs of a seed in turns in one process, so that what disturbs the machine
disturbs them alike: after an equal number of generator updates, and after equal wall time, for which the faster systems get as
many updates as fit into the time of the slowest (measured first, and kept in pace.json; the time really taken is in the table).
On images all have the same size, width, batch, optimizer, averaging and way of sampling, and those whose method allows it the
same nets (Dist-GAN's), so that objectives are compared; on points each has the settings of experiments.toys. Systems:

  gan           one generator, plain loss               distgan       Dist-GAN
  gan_d5        the same, D updated 5 times per step    morpho        Morpho-GAN
  gan_balance   the same, S1's rule: a step updates     mgan          several generators and their classifier
                only the worse of D and G               multi_gen     the same without the classifier's terms
  dragan        the plain loss with DRAGAN's penalty    one_gen       mgan's settings, one generator (points)
  dcgan         the plain loss on DCGAN's nets          dcgan_hdcgan  the plain loss on Morpho-GAN's nets

Beside them stand real data (the floor) and real data of one mode (collapsed). A class of images is covered if 5 % of the images
are of it, to one classifier; a mode of points if 1 % of the points lie on it. Scores are also taken in training (--curve),
which is not counted as time, and tell how long to train: until 90 % of the way from the first score to the best.

S3 (Abduazimov and Jo) claims that DCGAN collapses where Morpho-GAN and Dist-GAN do not, and that Morpho-GAN is the lighter of
the two; S4 (Salami 2018) that several GANs cover modes, and that five updates of D may be tried. Both without numbers. Writes
results.json, tables.md, report.html and figures; the same command goes on where it was stopped. Flagfiles: collapse_smoke
(seconds); collapse_gaussians25, collapse_mnist, collapse_galaxies (20 minutes each on 2 cores); collapse_mode_balance (S3's
figure 3 reduced, 40 minutes); collapse_galaxyzoo128 (S3's setting, a GPU).
"""

import dataclasses
import json
import pathlib
from typing import NamedTuple

from gan_jax import presets
from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import RunSettings, setting
from gan_jax.studies import interleaved, toys


class System(NamedTuple):
    """words: its name in tables. experiment: the training command that has such runs. method: key of methods.TABLE.
    images, points: settings of its own, besides those that all share; None for data that it is not made for."""

    words: str
    experiment: str
    method: str
    images: dict | None
    points: dict | None


_NETS = {"net": "dcgan", "init": "xavier", "pixels": "sigmoid"}  # Dist-GAN's
_HDCGAN = {k: presets.TABLE["morpho"].defaults[k] for k in ("net", "input_noise")} | {
    "init": "xavier",
    "pixels": "sigmoid",
}
_ALONE = {"beta": 0.0, "lambda_c": 0.0}  # generators that no classifier tells apart
_TOYS = {name: hp for name, (_, hp, _) in toys.SYSTEMS.items()}
_AS_MANY = {"n_gens": 1, "gen_batch": _TOYS["mgan"]["n_gens"] * _TOYS["mgan"]["gen_batch"]}
# Dist-GAN's with DRAGAN's penalty, of the same weight. S3's noise at D's input, 0.05, would be eight times as wide as a mode.
_MORPHO_POINTS = _TOYS["distgan"] | {"penalty": "dragan", "penalty_norm": "l2"}
SYSTEMS = {
    "gan": System("GAN", "gan", "gan", _NETS, _TOYS["gan"]),
    "gan_d5": System(
        "GAN with 5 D updates", "gan", "gan", _NETS | {"n_disc": 5}, _TOYS["gan"] | {"n_disc": 5}
    ),
    "gan_balance": System(
        "GAN with S1's rule",
        "gan",
        "gan",
        _NETS | {"balance": True},
        _TOYS["gan"] | {"balance": True},
    ),
    "dragan": System("DRAGAN", "dragan", "gan", _NETS | {"penalty": "dragan"}, _TOYS["dragan"]),
    "distgan": System(
        "Dist-GAN", "distgan", "distgan", presets.TABLE["distgan"].defaults, _TOYS["distgan"]
    ),
    "morpho": System(
        "Morpho-GAN", "morpho", "distgan", presets.TABLE["morpho"].defaults, _MORPHO_POINTS
    ),
    "mgan": System("MGAN", "mgan", "mgan", _NETS, _TOYS["mgan"]),
    "multi_gen": System(
        "several generators", "mgan", "mgan", _NETS | _ALONE, _TOYS["mgan"] | _ALONE
    ),
    "one_gen": System(
        "MGAN's settings with one generator",
        "mgan",
        "mgan",
        None,
        _TOYS["mgan"] | _ALONE | _AS_MANY,
    ),
    "dcgan": System("DCGAN", "dcgan", "gan", presets.TABLE["dcgan"].defaults, None),
    "dcgan_hdcgan": System(
        "DCGAN's loss, Morpho-GAN's nets",
        "dcgan",
        "gan",
        presets.TABLE["dcgan"].defaults | _HDCGAN,
        None,
    ),
}


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of this study."""

    workdir: str = setting(
        "", "the study folder; default: runs/ and the name of the flagfile or of the study"
    )
    systems: str = setting(
        "gan,gan_d5,gan_balance,dragan,distgan,morpho,mgan,multi_gen", "systems, with commas"
    )
    against: str = setting("gan", "the system that all others are compared with")
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    n_images: int = setting(5000, "generated images or points that are scored, per run", low=100)
    curve: int = setting(
        20, "times that every run is scored while it trains, by --eval_images each; 0: never", low=0
    )
    pace_steps: int = setting(10, "steps per turn while the time of a step is measured", low=1)
    dry_run: bool = setting(False, "check everything, name the systems and stop")


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all systems have in common on images, besides the data and the batch."""

    width: int = setting(
        16, "channels next to the image; deeper layers have multiples of it", low=1
    )
    lr: float = setting(1e-3, "Adam's learning rate", above=0.0)
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(0.9, "Adam's decay of the squared gradient", low=0.0, high=0.999999)
    ema: float = setting(
        0.995, "decay of the averaged generator that is scored; 0: none", low=0.0, high=0.999999
    )
    sample_stats: str = setting(
        "batch", "BatchNorm statistics when sampling", choices=("batch", "running")
    )
    n_gens: int = setting(10, "generators of mgan and multi_gen", low=1)
    gen_batch: int = setting(6, "images per generator and step of mgan and multi_gen", low=1)
    beta: float = setting(
        0.1, "weight of the diversity term in the loss of mgan's generators", low=0.0
    )


RUN = RunSettings(size=32, batch=32, steps=1000)
GROUPS = (Study(), RUN, Shared())  # all flags


class Setup(NamedTuple):
    """What is asked for. systems: names in order. root: Path of the study. source, heldout: Sources; heldout may be None."""

    study: Study
    run: RunSettings
    shared: Shared
    systems: list
    root: pathlib.Path
    source: object
    heldout: object


def hyperparameters(system, shared, points=False):
    """The Settings of a system's method: what all share, and its own."""
    from gan_jax import methods

    found = SYSTEMS[system]
    kind = methods.TABLE[found.method].Settings
    if points:
        return kind(**{"ema": 0.0, **found.points})
    names = {f.name for f in dataclasses.fields(kind)}
    return kind(
        **{k: v for k, v in dataclasses.asdict(shared).items() if k in names} | found.images
    )


def prepare(setup, system, **changes):
    """config.Prepared of one run of a system. changes: of the Run."""
    from gan_jax import config

    found, run = SYSTEMS[system], dataclasses.replace(setup.run, **changes)
    hp = hyperparameters(system, setup.shared, setup.source.points)
    return config.prepare(
        config.Config(found.experiment, found.method, run, hp), setup.source, setup.heldout
    )


def run_pace(setup):
    """{system: time of its step, the slowest's being 1}, once measured. Raises InputError: the study has other settings."""
    from gan_jax.studies import study_settings

    runs = {s: prepare(setup, s, seed=0) for s in setup.systems}  # for any seeds
    study_settings.keep(
        setup.root, runs, {"systems": ",".join(setup.systems), "curve": setup.study.curve}
    )
    return interleaved.pace(setup.root, runs, setup.study.pace_steps)


def train(setup, jobs):
    """Trains all runs. jobs: {(table, system): steps}. Returns ({job: one folder per seed}, {folder name: why it diverged})."""
    study, numbers = setup.study, range(setup.run.seed, setup.run.seed + setup.study.seeds)
    folders = {job: [setup.root / f"{'_'.join(job)}_{seed}" for seed in numbers] for job in jobs}
    diverged = {}
    for i, seed in enumerate(numbers):
        runs = {
            job: prepare(
                setup,
                job[1],
                seed=seed,
                steps=steps,
                eval_every=steps // min(study.curve, steps) if study.curve else 0,
            )
            for job, steps in jobs.items()
        }
        places = {job: paths[i] for job, paths in folders.items()}
        diverged |= interleaved.advance(runs, places, study.turns)
    return folders, diverged


def check_systems(study, points):
    """The names in --systems. Raises InputError: a name that is not known, or not for such data."""
    systems = toys.names(study.systems, SYSTEMS, "systems")
    kind = "points" if points else "images"
    able = [name for name, system in SYSTEMS.items() if getattr(system, kind) is not None]
    for name in systems:
        if name not in able:
            raise InputError(
                f"--systems={study.systems}: {name} is not for {kind}; use some of {', '.join(able)}."
            )
    if study.against not in systems:
        raise InputError(
            f"--against={study.against} is not among --systems={study.systems}; name one of them."
        )
    return list(dict.fromkeys(systems))


def check_flags(study, run, shared, points):
    """Refuses flags that mean nothing here. Raises InputError."""
    wrong = [
        n
        for n in ("eval_every", "eval_scores", "tensorboard", "stop_on_collapse")
        if getattr(run, n) != getattr(RUN, n)
    ]
    if wrong:
        raise InputError(
            f"--{wrong[0]} is not for this study, which takes its own scores --curve times; leave it out."
        )
    changed = [f.name for f in dataclasses.fields(shared) if getattr(shared, f.name) != f.default]
    if points and changed:
        raise InputError(
            f"--{changed[0]} is for images; on points each system has the settings of experiments.toys; leave it out."
        )


def open_data(study, run, shared, root):
    """Setup, after everything that can be refused was looked at. Raises InputError."""
    import jax

    from gan_jax import config
    from gan_jax.data import datasets
    from gan_jax.studies.collapse import results as collapse

    points = run.data.startswith("toys:")
    systems = check_systems(study, points)
    check_flags(study, run, shared, points)
    for system in systems:
        config.validate_settings(run, hyperparameters(system, shared, points), len(jax.devices()))
    options = datasets.DataOptions(run.size, run.crop, run.labels, run.skip_bad_images)
    source = datasets.load(run.data, options)
    heldout = datasets.load_heldout(source, options)
    collapse.check(
        source,
        {"n_images": study.n_images} | ({"eval_images": run.eval_images} if study.curve else {}),
    )
    setup = Setup(study, run, shared, systems, root, source, heldout)
    for system in systems:
        prepare(setup, system)
    return setup


def run(argv):
    """Command line to tables and page."""
    from gan_jax.data import datasets
    from gan_jax.rundir import run_folder
    from gan_jax.studies.collapse import results as collapse

    (study, base, shared), values = command_line.parse(
        __doc__, "experiments.collapse", GROUPS, argv
    )
    base = dataclasses.replace(
        base, data=datasets.absolute_spec(base.data), resident_gib=_share_of_memory(study, base)
    )
    setup = open_data(
        study, base, shared, command_line.workdir_of(study.workdir, values, "collapse")
    )
    if study.dry_run:
        print(
            "Dry run: nothing was written. Systems:",
            *(f"{s}: {SYSTEMS[s].words}" for s in setup.systems),
            sep="\n",
        )
        return
    judge = collapse.judge(setup.source, setup.heldout, study.n_images)
    with run_folder.lock_run(setup.root):
        jobs = interleaved.plan(run_pace(setup), base.steps)
        folders, diverged = train(setup, jobs)
        words = {s: SYSTEMS[s].words for s in setup.systems}
        results, made = collapse.collect(judge, folders, words, study.against, diverged)
        write(setup, results, made)


def write(setup, results, made):
    """Prints the tables and writes all that the study leaves. made: see results.collect."""
    from gan_jax import cache
    from gan_jax.studies.collapse import page
    from gan_jax.studies.collapse import results as collapse

    root = setup.root
    cache.write_atomic(root / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    parts = [
        *collapse.tables(results),
        "\n".join(f"- {line}" for line in collapse.verdicts(results)),
        results["protocol"],
    ]
    cache.write_atomic(root / "tables.md", "\n\n".join(parts) + "\n")
    figures = page.figures(results, made, setup.source, root)
    cache.write_atomic(root / "report.html", page.document(results, root))
    print("\n\n".join(parts))
    print(f"Written: tables.md, results.json, report.html, {', '.join(figures)} in {root}")


def _share_of_memory(study, base):
    """--resident_gib of one run, where all runs of a seed are in memory together."""
    from gan_jax.core import parallel

    n = len(study.systems.split(",")) * len(interleaved.TABLES)
    return base.resident_gib if base.resident_gib >= 0 else 0.4 * parallel.memory_gib() / n
