"""S2: is DCGAN better than GAN on MNIST, as S2 says by eye? With the scores, seeds and times that S2 does not have.

Trains S2's two systems from several seeds: the GAN of fully connected nets, whose images S2 shows at "epoch" 29,800, which is
an iteration, and the DCGAN, 60 epochs of 467 batches, shown at epoch 54. Both learn at one rate, which S2 does not give. They
are compared at S2's lengths and after equal wall time, for which the system that is done first gets as many updates as fit into
the time of the other (measured first, in turns, and kept in pace.json; the time really taken stands in the table). All runs of
a seed train in turns in one process, so that what disturbs the machine disturbs them alike. Beside them real images (the floor)
and real images of one class only (the collapsed control). S2: Chakkarwar, Arya and Jain 2018, "Image Generation Using
Generative Adversarial Networks"; what it leaves open: D20.

Every run is an ordinary one, WORKDIR/TABLE_SYSTEM_SEED, scored --evals times while it trains, which does not count as training
time. The same command goes on where it was stopped. Writes tables.md, results.json, gan_vs_dcgan.png (losses per epoch, S2's
figures 4, 5, 7 and 8; scores against training time) and report.html, which also has samples, S2's figures 3 and 6. Flagfiles:
gan_vs_dcgan_smoke (seconds), gan_vs_dcgan_quick (a tenth of S2's updates, the DCGAN at half its width and batch; 20 minutes on
2 cores), gan_vs_dcgan_mnist (S2's setting; a GPU).
"""

import dataclasses
import json
from typing import NamedTuple

import numpy as np

from gan_jax import presets
from gan_jax.commands import command_line, train
from gan_jax.errors import InputError
from gan_jax.settings import MAX_STEPS, setting


class System(NamedTuple):
    """One of S2's systems.

    title: in words. experiment: key of presets.TABLE. dispatch: steps in one compiled call; 0: as suits the machine.
    marks: how often in a run losses and samples are written. shown: after which share of the run S2 shows its samples. place:
    what S2 calls that.
    """

    title: str
    experiment: str
    dispatch: int
    marks: int
    shown: float
    place: str


SYSTEMS = {
    "gan": System("GAN", "gan", 20, 150, 29_800 / 30_000, "iteration 29,800 of 30,000"),
    "dcgan": System("DCGAN", "dcgan", 0, 60, 54 / 60, "epoch 54 of 60"),
}
S2_STEPS = {"gan": 30_000, "dcgan": 28_020}
SCORED = "frechet,coverage,classes"  # metrics at the end


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of this study."""

    workdir: str = setting(
        "", "the study folder; default: runs/ and the name of the flagfile or of the study"
    )
    data: str = setting("idx:data/mnist", "labelled images, any source of a training command")
    size: int = setting(28, "side of the images, in pixels", low=8, high=1024)
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    seed: int = setting(0, "the first seed", low=0, high=2**31 - 1)
    gan_steps: int = setting(
        S2_STEPS["gan"],
        "length of the GAN, in iterations; the default is S2's",
        low=1,
        high=MAX_STEPS,
    )
    gan_batch: int = setting(32, "images in a minibatch of the GAN", low=2)
    gan_width: int = setting(256, "units of the GAN's narrowest layers", low=1)
    dcgan_steps: int = setting(
        S2_STEPS["dcgan"],
        "length of the DCGAN, in batches; the default is S2's",
        low=1,
        high=MAX_STEPS,
    )
    dcgan_batch: int = setting(128, "images in a minibatch of the DCGAN", low=2)
    dcgan_width: int = setting(
        64,
        "maps of the DCGAN's layers next to the image; the deeper ones have twice as many",
        low=1,
    )
    dcgan_net: str = setting(
        "s2",
        "activations of S2's tables, norms of its text; or one of them alone",
        choices=("s2", "s2_literal", "s2_prose"),
    )
    lr: float = setting(2e-4, "Adam's learning rate in both systems; S2 gives none", above=0.0)
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    pace_steps: int = setting(20, "steps in a turn when the pace is measured", low=1)
    evals: int = setting(
        10, "scores over each run, evenly; divisors of 150 and 60 end with it", low=1
    )
    eval_images: int = setting(2000, "generated images for each of them", low=100)
    n_images: int = setting(10_000, "generated images for the scores at the end", low=100)
    devices: int = setting(0, "devices that share each minibatch; 0: all", low=0)
    dry_run: bool = setting(False, "check everything, print the settings of both systems and stop")


GROUPS = (Study(),)


def cadence(system, steps):
    """Steps between writings of a run: its length over the marks, in whole compiled calls where there is room for one."""
    dispatch, every = SYSTEMS[system].dispatch, max(1, round(steps / SYSTEMS[system].marks))
    return every - every % dispatch if 0 < dispatch < every else every


def build_config(study, system, steps, seed):
    """config.Config of one run."""
    from gan_jax import config

    experiment = SYSTEMS[system].experiment
    _, run, hp = train.settings_groups(experiment)
    net = study.dcgan_net if system == "dcgan" else hp.net
    hp = dataclasses.replace(
        hp, net=net, width=getattr(study, f"{system}_width"), lr=study.lr, ema=0.0
    )
    every = cadence(system, steps)
    few = every * max(1, steps // every // study.evals)
    run = dataclasses.replace(
        run,
        data=study.data,
        size=study.size,
        batch=getattr(study, f"{system}_batch"),
        steps=steps,
        seed=seed,
        log_every=every,
        sample_every=every,
        save_every=few,
        eval_every=few,
        eval_images=study.eval_images,
        devices=study.devices,
        steps_per_dispatch=SYSTEMS[system].dispatch,
    )
    return config.Config(experiment, presets.TABLE[experiment].method, run, hp)


def lengths(study):
    """{system: steps} that the flags ask for."""
    return {system: getattr(study, f"{system}_steps") for system in SYSTEMS}


def in_words(steps):
    """What lengths {system: steps} are, beside S2's."""
    shares = [n / S2_STEPS[system] for system, n in steps.items()]
    if max(shares) > 1.02 * min(shares):
        return "the given lengths"
    return (
        "S2's lengths"
        if shares[0] == shares[1] == 1
        else f"{100 * shares[0]:.2g} % of S2's lengths"
    )


def plan(pace, steps):
    """{(table, system): steps} of the runs to make; the run of the longer time stands in both tables.

    Args:
      pace: {system: time of a step, in any unit}. steps: {system: its length}.
    """
    from gan_jax.studies import interleaved

    spent = {system: pace[system] * steps[system] for system in steps}
    jobs = {("lengths", system): n for system, n in steps.items()}
    longest = max(spent.values())
    shorter = {
        system: time
        for system, time in spent.items()
        if time < (1 - interleaved.TOLERANCE) * longest
    }
    return jobs | {("time", system): round(longest / pace[system]) for system in shorter}


def shown_step(system, steps):
    """The step of the sample grid nearest to where S2 shows the system, in proportion to the length."""
    every = cadence(system, steps)
    return min(steps, every * max(1, round(SYSTEMS[system].shown * steps / every)))


def open_data(study):
    """(training Source, held-out Source or None), after everything that can be refused was looked at.

    Raises:
      InputError
    """
    import jax

    from gan_jax import config
    from gan_jax.data import datasets
    from gan_jax.metrics import evaluate

    configs = {
        system: build_config(study, system, n, study.seed) for system, n in lengths(study).items()
    }
    for unopened in configs.values():
        config.validate_settings(unopened.run, unopened.hp, len(jax.devices()))
    options = configs["gan"].data_options
    source = datasets.load(study.data, options)
    if (
        source.points
        or source.labels is None
        or len(np.unique(source.labels[source.labels >= 0])) < 2
    ):
        raise InputError(
            f"--data={source.name} has no images of two classes, so no balance to measure; use labelled images."
        )
    for unopened in configs.values():
        config.prepare(unopened, source)
    evaluate.check(source, study.n_images, "n_images", SCORED)
    return source, datasets.load_heldout(source, options)


def keep_settings(root, study, source):
    """Keeps the settings in study.json, so that a study that goes on is the same one. Returns {system: config.Prepared}."""
    from gan_jax import config
    from gan_jax.studies import study_settings as studies

    runs = {
        system: config.prepare(build_config(study, system, n, 0), source)
        for system, n in lengths(study).items()
    }  # for any seeds
    studies.keep(root, runs, {"n_images": study.n_images})
    return runs


def train_all(root, study, source, heldout, jobs):
    """Trains every run. Returns ({job: one folder per seed}, {folder name: message} of those that diverged)."""
    from gan_jax import config
    from gan_jax.studies import interleaved

    folders, diverged = {job: [] for job in jobs}, {}
    for seed in range(study.seed, study.seed + study.seeds):
        runs = {
            job: config.prepare(build_config(study, job[1], steps, seed), source, heldout)
            for job, steps in jobs.items()
        }
        here = {job: root / f"{'_'.join(job)}_{seed}" for job in jobs}
        diverged |= interleaved.advance(runs, here, study.turns)
        for job, folder in here.items():
            folders[job].append(folder)
    return folders, diverged


def describe(study, source):
    """Per system: what it is, how long it is trained and how long an epoch is, JSON-able."""
    n = len(source.images)
    return {
        system: {
            "title": known.title,
            "place": known.place,
            "steps": steps,
            "shown": shown_step(system, steps),
            "steps_per_epoch": n / getattr(study, f"{system}_batch"),
        }
        for (system, known), steps in zip(SYSTEMS.items(), lengths(study).values(), strict=True)
    }


def collect(study, folders, diverged, source, heldout, extractor):
    """Results as a JSON-able dict: rows and folders of every table, system by system; floor, control, protocol."""
    from gan_jax.metrics import evaluate
    from gan_jax.studies import curves

    see, n = evaluate.make_evaluator(extractor, source, SCORED), study.n_images
    ref, drawn = evaluate.reference(see, source, 0)
    kind, floors = evaluate.floor(see, source, heldout, ref, drawn, n, 3, 0)
    what, control = evaluate.collapsed(ref, n, 0)
    well = {
        job: [folder for folder in found if folder.name not in diverged]
        for job, found in folders.items()
    }
    rows = {
        job: [curves.score(folder, see, ref, n) for folder in found] for job, found in well.items()
    }
    both = {
        table: {s: (table, s) if (table, s) in rows else ("lengths", s) for s in SYSTEMS}
        for table in ("lengths", "time")
    }
    return {
        "systems": describe(study, source),
        "titles": {"lengths": in_words(lengths(study)), "time": "equal wall time"},
        "classes": list(extractor.classes),
        "seeds": study.seeds,
        "tables": {
            table: {s: rows[job] for s, job in jobs.items()} for table, jobs in both.items()
        },
        "folders": {
            table: {s: [f.name for f in well[job]] for s, job in jobs.items()}
            for table, jobs in both.items()
        },
        "real (floor)": evaluate.row(see, floors),
        "collapsed": evaluate.row(see, [(ref, control)]),
        "training data": {"fractions": evaluate.modes.fractions(ref["probs"]).tolist()},
        "diverged": diverged,
        "protocol": f"{protocol(study)} Scores: {n:,} images against {len(drawn):,} real ones of {source.name} at "
        f"{study.size} px in {ref['features'].shape[1]} features of {extractor.name} (balanced accuracy "
        f"{100 * extractor.accuracy:.1f} %); while training, {study.eval_images:,}. Floor: {kind}. Collapsed: {what}.",
    }


def protocol(study):
    """What was trained, and how S2 has it."""
    import jax

    return (
        f"GAN: {study.gan_steps:,} iterations (S2: 30,000) of {study.gan_batch} images, layers from {study.gan_width} units. "
        f"DCGAN: {study.dcgan_steps:,} batches (S2: 28,020) of {study.dcgan_batch}, --net={study.dcgan_net} of width "
        f"{study.dcgan_width} (S2: 64). Adam {study.lr:g} (beta1 0.5) in both, {study.seeds} seeds. Times are of training "
        f"alone, without compilation, scoring, sampling and saving, on {jax.devices()[0].device_kind}."
    )


def run(argv):
    """Command line to tables and page."""
    from gan_jax.config import prepare
    from gan_jax.data import datasets
    from gan_jax.metrics import features
    from gan_jax.rundir import run_folder
    from gan_jax.studies import interleaved

    (study,), values = command_line.parse(__doc__, "experiments.gan_vs_dcgan", GROUPS, argv)
    study = dataclasses.replace(study, data=datasets.absolute_spec(study.data))
    root = command_line.workdir_of(study.workdir, values, "gan_vs_dcgan")
    source, heldout = open_data(study)
    if study.dry_run:
        configs = {
            system: prepare(build_config(study, system, n, study.seed), source).to_dict()
            for system, n in lengths(study).items()
        }
        print(json.dumps(configs, indent=1))
        print(
            "Dry run: nothing was written. The lengths for equal wall time follow from the pace, which is measured first."
        )
        return
    with run_folder.lock_run(root):
        runs = keep_settings(root, study, source)
        extractor = features.load(source, heldout)
        jobs = plan(interleaved.pace(root, runs, study.pace_steps), lengths(study))
        folders, diverged = train_all(root, study, source, heldout, jobs)
        write(root, collect(study, folders, diverged, source, heldout, extractor))


def write(root, results):
    """Prints the tables and writes all that the study leaves."""
    from gan_jax import cache
    from gan_jax.studies.gan_vs_dcgan import page
    from gan_jax.studies.gan_vs_dcgan import results as gan_vs_dcgan

    cache.write_atomic(root / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    said = "\n".join(f"- {line}" for line in gan_vs_dcgan.verdicts(results, root))
    parts = [*gan_vs_dcgan.as_markdown(results), said, results["protocol"]]
    cache.write_atomic(root / "tables.md", "\n\n".join(parts) + "\n")
    page.draw(results, root, root / "gan_vs_dcgan.png")
    cache.write_atomic(root / "report.html", page.document(results, root))
    print("\n\n".join(parts))
    print(f"Written: tables.md, results.json, gan_vs_dcgan.png, report.html in {root}")
