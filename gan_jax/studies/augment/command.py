"""S1: do a GAN's images help a classifier, with few labels and with many?

They are compared with real images alone and with ordinary augmentation. For each share of the
labels (--fractions) a conditional GAN is trained on those images alone, a part with the same share
of every class. The same part is all that any classifier of that share has of real images: a GAN
that had seen more would pass them on, and the comparison would cheat. Then classifiers, with
--seeds seeds each, are trained on

  real only                  the part
  real + R synthetic         and R generated images for each real one (--ratios), of classes as
                             frequent as in the part
  synthetic only             all generated images, and no real one
  ordinary augmentation      the part, changed at random (--ordinary): a mirrored digit is none, so
                             say what suits the data
  ordinary + R synthetic     both (--both_ratio)

and with --rare=CLASS, Morpho-GAN's purpose with the 2 % of cigars among galaxies, on the part in
which that class is filled up to --rare_to images, with copies of its own or with generated ones,
each with and without ordinary augmentation. All have the same budget, as many updates on
minibatches of the same size, so that what is added takes the place of real images. Compared is
accuracy on the gan test split, paired by seed; that of synthetic images only is their
classification accuracy score (Ravuri and Vinyals 2019). With --rare it is the recall of that class,
the mean recall of the others, and how much of the class is found where 1 % of the others may be
taken for it. --data=thin:CLASS/N/SEED:DATA leaves N images of a class, where data have more.

S1 (AC-GAN on Fashion-MNIST) claims an "accuracy of 88 %" for generated images without saying of
what (D19). Three readings are measured: how often D's class head takes them for the class that was
asked for, how often an independent classifier does that was trained on all labels, and what the
images are worth as training data.

--experiment names the training command of the GAN, any that can be told a class; its flags are
flags here too, and --steps is its length. Every GAN is an ordinary run, WORKDIR/1_of_V/gan (V: one
over the share), beside which synthetic.npz holds the images that the classifiers had; --export
writes them as WORKDIR/1_of_V/synthetic/CLASS/NUMBER.png as well. Both are data: --data=npz:...,
--data=folder:... The same command goes on where it was stopped; more fractions or seeds are added
to what is there. Another GAN seed is another study: --seed and a --workdir of its own. Writes
tables.md, results.json, augment.png and report.html.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from gan_jax import config
from gan_jax.data import datasets, writers
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.studies import runner
from gan_jax.studies.augment import page, training_sets, verdicts
from gan_jax.studies.augment import results as augment
from gan_jax.studies.augment.classify import train_classifiers
from gan_jax.studies.augment.flags import FREE, Study, read_study
from gan_jax.studies.augment.gan import export_images, load_judge, train_gan


def open_data(study: Study) -> tuple[Study, Dataset, Dataset, dict[int, Dataset]]:
    """Open all data, after all checks that precede training.

    Returns:
      (the Study with rare class and training sets, all training images, labelled test images,
      {share: its training images}).

    Raises:
      InputError
    """
    flags, run = study.flags, study.run
    if run.eval_every or run.tensorboard or run.wandb:
        raise InputError(
            "--eval_every, --tensorboard and --wandb are not for this study; leave them out. Its "
            "GANs are runs, which evaluate scores."
        )
    config.validate_settings(run, study.hp, len(jax.devices()))
    gan = study.gan_config(run.data)
    train = datasets.load(run.data, gan.data_options)
    if train.labels is None or len(train.classes) < 2 or (train.labels < 0).any():
        raise InputError(
            f"--data={train.name} has images without a class, or no two classes; "
            "label all, or use other data."
        )
    if config.prepare(gan, train).method.conditioning.what != "class":
        raise InputError(
            f"--experiment={flags.experiment} makes images of no class; use acgan or cgan, "
            "or add --condition=labels if it has that."
        )
    test = runner.labelled_images(datasets.load_heldout(train, gan.data_options))
    if test is None:
        raise InputError(
            f"--data={train.name} has no labelled test images; use data with a test split."
        )
    if flags.export:
        writers.class_folder_names(train.classes)
    rare = read_rare_class(flags.rare, train.classes, test) if flags.rare else -1
    arms = training_sets.build_arms(
        study.ratios,
        flags.both_ratio if study.ratios else 0.0,
        bool(flags.ordinary),
        train.classes[rare] if flags.rare else "",
    )
    study = study._replace(rare=rare, arms=arms)
    parts = {share: open_part(study, share, train) for share in study.shares}
    for part in parts.values():
        study.n_rare(part)
    return study, train, test, parts


def open_part(study: Study, share: int, train: Dataset) -> Dataset:
    """Open the training images of one share of the labels.

    Raises:
      InputError: the part lacks a class.
    """
    if share == 1:
        part = train
    else:
        part = datasets.load(study.data_of(share), study.gan_config(train.name).data_options)
    counts = np.bincount(part.labels, minlength=len(part.classes))
    if not counts.all():
        missing = part.classes[int(np.argmin(counts))]
        raise InputError(
            f"--fractions: one of {share} of {train.name} has no image of class {missing}; "
            "use larger fractions."
        )
    return part


def read_rare_class(text: str, classes: Sequence[str], test: Dataset) -> int:
    """Return the number of the class that --rare names.

    Raises:
      InputError: there is no such class, or the test split has no image of it.
    """
    numbers = {str(i): i for i in range(len(classes))}
    numbers |= {name: i for i, name in enumerate(classes)}
    if text not in numbers:
        raise InputError(
            f"--rare={text} is no class of these data; use one of {', '.join(classes[:12])}."
        )
    if not (test.labels == numbers[text]).any():
        raise InputError(f"--rare={text}: the test split has no image of it; use another class.")
    return numbers[text]


def protocol(study: Study, test: Dataset) -> str:
    """Say in words what was trained on what, and for how long."""
    flags, run, hp = study.flags, study.run, study.hp
    change = "no ordinary augmentation"
    if flags.ordinary:
        change = f"ordinary augmentation {flags.ordinary}"
    filled = ""
    if flags.rare:
        targets = {
            "mean": "as many images as classes have on average",
            "max": "as many images as the largest class has",
        }
        target = targets.get(flags.rare_to, f"{flags.rare_to} images")
        filled = f" Class {flags.rare} is filled up to {target}."
    return (
        f"Data {run.data}, {run.size} px; the GANs: {flags.experiment}, --net={hp.net} of width "
        f"{hp.width}, batch {run.batch}, {run.steps:,} steps, each on its share of the labels "
        f"alone. Every classifier: width {flags.classifier_width}, {flags.classifier_steps:,} "
        f"updates of {flags.classifier_batch} images, {change}, tested on {len(test.labels):,} "
        f"images.{filled} The independent classifier: width {flags.judge_width}, "
        f"{flags.judge_steps:,} updates."
    )


def write(study: Study, train: Dataset, test: Dataset) -> None:
    """Write the results of everything in the folder that is finished."""
    rare = train.classes[study.rare] if study.rare >= 0 else ""
    results = augment.collect(study.root, study.arms, train.classes, rare)
    results["protocol"] = protocol(study, test)
    tables, sentences = augment.tables(results), verdicts.verdicts(results)
    figures = {"augment.png": functools.partial(page.draw, results)}
    note = augment.ALTERNATIVE_NOTE
    runner.write_results(study.root, results, tables, sentences, figures, page.document, note)


def run(argv: list[str]) -> None:
    """Train the GANs and classifiers that a command line asks for, and compare them."""
    study, train, test, parts = open_data(read_study(__doc__, argv))
    flags = study.flags
    if flags.dry_run:
        print("Dry run: nothing was written.")
        for share, part in parts.items():
            print(
                f"1 of {share}: GAN of {len(part.images):,} images, {study.run.steps:,} steps; "
                f"{flags.seeds * len(study.arms)} classifiers"
            )
        return
    kinds = {"gan": config.prepare(study.gan_config(train.name), train)}
    kept_flags = {k: v for k, v in dataclasses.asdict(flags).items() if k not in FREE}
    with runner.study_folder(study.root, kinds, kept_flags):
        judge = load_judge(study, train, test)
        for share, part in parts.items():
            train_gan(study, share, part, test, judge)
            if flags.export:
                export_images(study, share)
            train_classifiers(study, share, part, test)
        write(study, train, test)
