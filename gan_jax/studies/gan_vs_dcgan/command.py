"""S2: is DCGAN better than GAN on MNIST, as S2 says by eye? With scores, seeds and times.

Trains S2's two systems from several seeds: the GAN of fully connected nets, whose images S2 shows
at "epoch" 29,800, which is an iteration, and the DCGAN, 60 epochs of 467 batches, shown at epoch
54. Both learn at one rate, which S2 does not give. They are compared at S2's lengths and after
equal wall time: the time of a step is measured first and kept in pace.json, then the system that is
done first gets as many updates as fit into the time of the other; the tables have the time that it
really took. All runs of a seed train in one process, a few steps of each in turn, so that what
disturbs the machine disturbs them alike. The tables also have real images (the floor) and real
images of one class only (the collapsed control). S2: Chakkarwar, Arya and Jain 2018, "Image
Generation Using Generative Adversarial Networks"; what it leaves open: D20.

Every run is an ordinary one, WORKDIR/TABLE_SYSTEM_SEED, scored --evals times while it trains, which
does not count as training time. The same command goes on where it was stopped. Writes tables.md,
results.json, gan_vs_dcgan.png (losses per epoch, S2's figures 4, 5, 7 and 8; scores against
training time) and report.html, which also has samples, S2's figures 3 and 6.
"""

import json
import pathlib
from typing import Any

import jax

from gan_jax import config
from gan_jax.data import datasets
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import class_balance, controls, features, scoring
from gan_jax.studies import interleaved, run_outputs, runner
from gan_jax.studies.gan_vs_dcgan import page
from gan_jax.studies.gan_vs_dcgan import results as gan_vs_dcgan
from gan_jax.studies.gan_vs_dcgan.flags import GROUPS, Flags
from gan_jax.studies.gan_vs_dcgan.systems import (
    SYSTEMS,
    build_config,
    lengths,
    lengths_in_words,
    shown_step,
)

SCORES = "frechet,coverage,classes"  # metrics at the end


def open_data(flags: Flags) -> tuple[Dataset, Dataset | None]:
    """Open training and test data, after all checks that precede training.

    Raises:
      InputError
    """
    configs = [build_config(flags, name, n, flags.seed) for name, n in lengths(flags).items()]
    for one in configs:
        config.validate_settings(one.run, one.hp, len(jax.devices()))
    train = datasets.load(flags.data, configs[0].data_options)
    if train.points or runner.count_classes(train) < 2:
        raise InputError(
            f"--data={train.name} has no images of two classes, so no balance to measure; "
            "use labelled images."
        )
    for one in configs:
        config.prepare(one, train)
    scoring.check_counts(train, flags.n_images, "n_images", SCORES, scores_flag="")
    return train, datasets.load_heldout(train, configs[0].data_options)


def describe_systems(flags: Flags, train: Dataset) -> dict[str, Any]:
    """Describe each system for results.json: its title, lengths, and where S2 shows it."""
    return {
        name: {
            "title": SYSTEMS[name].title,
            "place": SYSTEMS[name].shown_at_words,
            "steps": steps,
            "shown": shown_step(name, steps),
            "steps_per_epoch": len(train.images) / getattr(flags, f"{name}_batch"),
        }
        for name, steps in lengths(flags).items()
    }


def collect(
    flags: Flags,
    folders: dict[interleaved.RunKey, list[pathlib.Path]],
    diverged: dict[str, str],
    train: Dataset,
    test: Dataset | None,
    extractor: features.Extractor,
) -> dict[str, Any]:
    """Collect results.json: rows and run folders by table and system; floor, control, protocol."""
    evaluator, n = scoring.make_evaluator(extractor, train, SCORES), flags.n_images
    reference, real = controls.choose_reference(evaluator, train, 0)
    floor_words, floors = controls.floor_pairs(evaluator, train, test, reference, real, n, 3, 0)
    control_words, control = controls.collapsed_control(reference, n, 0)
    finished = {
        job: [folder for folder in of_job if folder.name not in diverged]
        for job, of_job in folders.items()
    }
    rows = {
        job: [run_outputs.score_run(folder, evaluator, reference, n) for folder in of_job]
        for job, of_job in finished.items()
    }
    # Where equal time has no run of its own, it is the run of the system's length.
    jobs = {
        table: {s: (table, s) if (table, s) in rows else ("lengths", s) for s in SYSTEMS}
        for table in ("lengths", "time")
    }
    return {
        "systems": describe_systems(flags, train),
        "titles": {"lengths": lengths_in_words(lengths(flags)), "time": "equal wall time"},
        "classes": list(extractor.classes),
        "seeds": flags.seeds,
        "tables": {
            table: {s: rows[job] for s, job in of_table.items()} for table, of_table in jobs.items()
        },
        "folders": {
            table: {s: [f.name for f in finished[job]] for s, job in of_table.items()}
            for table, of_table in jobs.items()
        },
        "real (floor)": scoring.make_row(evaluator, floors),
        "collapsed": scoring.make_row(evaluator, [(reference, control)]),
        "training data": {"fractions": class_balance.class_fractions(reference["probs"]).tolist()},
        "diverged": diverged,
        "protocol": f"{protocol(flags)} Scores: {n:,} images against {len(real):,} real ones of "
        f"{train.name} at {flags.size} px in {reference['features'].shape[1]} features of "
        f"{extractor.name} (balanced accuracy {100 * extractor.accuracy:.1f} %); while training, "
        f"{flags.eval_images:,}. Floor: {floor_words}. Collapsed: {control_words}.",
    }


def protocol(flags: Flags) -> str:
    """Say in words what was trained, and how S2 has it."""
    return (
        f"GAN: {flags.gan_steps:,} iterations (S2: 30,000) of {flags.gan_batch} images, layers "
        f"from {flags.gan_width} units. DCGAN: {flags.dcgan_steps:,} batches (S2: 28,020) of "
        f"{flags.dcgan_batch}, --net={flags.dcgan_net} of width {flags.dcgan_width} (S2: 64). Adam "
        f"{flags.lr:g} (beta1 0.5) in both, {flags.seeds} seeds. Times are of training alone, "
        "without compilation, scoring, sampling and saving, on "
        f"{jax.devices()[0].device_kind}."
    )


def run(argv: list[str]) -> None:
    """Train, score and compare both systems as a command line says."""
    (flags,), root = runner.parse("gan_vs_dcgan", __doc__, GROUPS, argv)
    train, test = open_data(flags)

    def prepare(system, steps, seed):
        return config.prepare(build_config(flags, system, steps, seed), train, test)

    if flags.dry_run:
        runs = {system: prepare(system, n, flags.seed) for system, n in lengths(flags).items()}
        print(json.dumps({system: one.to_dict() for system, one in runs.items()}, indent=1))
        print(
            "Dry run: nothing was written. The lengths for equal wall time follow from the pace, "
            "which is measured first."
        )
        return
    # Of any seed: more seeds are the same study.
    kinds = {system: prepare(system, n, seed=0) for system, n in lengths(flags).items()}
    with runner.study_folder(root, kinds, {"n_images": flags.n_images}):
        extractor = features.load(train, test)
        pace = interleaved.load_pace(root, kinds, flags.pace_steps)
        runs = interleaved.plan_runs(pace, lengths(flags), "lengths")
        seeds = range(flags.seed, flags.seed + flags.seeds)
        folders, diverged = interleaved.train_seeds(prepare, root, runs, seeds, flags.turns)
        results = collect(flags, folders, diverged, train, test, extractor)
        runner.write_results(
            root,
            results,
            gan_vs_dcgan.tables(results),
            gan_vs_dcgan.verdicts(results, root),
            {"gan_vs_dcgan.png": lambda path: page.draw(results, root, path)},
            page.document,
        )
