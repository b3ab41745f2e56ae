"""S1: do a GAN's images help a classifier? Against real images alone, against ordinary augmentation, with few labels and many.

For each share of the labels (--fractions) a conditional GAN is trained on those images alone, a part with the same share of
every class. The same part is all that any classifier of that share has of real images: a GAN that had seen more would pass
them on, and the comparison would cheat. Then classifiers, with --seeds seeds each, are trained on

  real only                  the part
  real + R synthetic         and R generated images for each real one (--ratios), of classes as frequent as in the part
  synthetic only             all generated images, and no real one
  ordinary augmentation      the part, changed at random (--ordinary): a mirrored digit is none, so say what suits the data
  ordinary + R synthetic     both (--both_ratio)

and with --rare=CLASS, Morpho-GAN's purpose with the 2 % of cigars among galaxies, on the part in which that class is filled up
to --rare_to images, with copies of its own or with generated ones, each with and without ordinary augmentation. All have the
same budget: as many updates on minibatches of the same size, so that what is added takes the place of real images. Compared is
accuracy on the whole test split, with --rare the recall of that class and the mean recall of the others, paired by seed.

S1 (AC-GAN on Fashion-MNIST) claims an "accuracy of 88 %" for generated images without saying of
what (D19). Three readings are measured: how often D's class head takes them for the class that was asked for, how often an
independent classifier does that was trained on all labels, and what the images are worth as training data.

--experiment names the training command of the GAN, any that can be told a class; its flags are flags here too, and --steps is
its length. Every GAN is an ordinary run, WORKDIR/1_of_V/gan (V: one over the share), beside which synthetic.npz holds the
images that the classifiers had; --export writes them as WORKDIR/1_of_V/synthetic/CLASS/NUMBER.png as well. Both are data:
--data=npz:..., --data=folder:... The same command goes on where it was stopped; more fractions or seeds are added to what is
there. Another GAN seed is another study: --seed and a --workdir of its own. Writes tables.md, results.json, augment.png and
report.html. Flagfiles: augment_smoke (seconds), augment_fashion (Fashion-MNIST, small nets; 20 minutes on 2 cores),
augment_cigar (galaxies; 15 minutes on 2 cores), augment_s1 (S1's setting; a GPU).
"""

import dataclasses
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np

from gan_jax import presets
from gan_jax.commands import command_line, train
from gan_jax.errors import InputError
from gan_jax.settings import RunSettings, setting


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of this study."""

    workdir: str = setting(
        "", "the study folder; default: runs/ and the name of the flagfile or of the study"
    )
    experiment: str = setting(
        "acgan", "the training command of the GAN, which must be told classes: acgan, cgan, ..."
    )
    fractions: str = setting(
        "1,0.1,0.01", "shares of the labels, with commas; each one over a whole number"
    )
    ratios: str = setting(
        "0.5,1,2", "synthetic images per real one, with commas; empty: no such training sets"
    )
    both_ratio: float = setting(
        1.0, "the same, beside ordinary augmentation; 0: no such training set", low=0.0, high=100.0
    )
    ordinary: str = setting(
        "shift,rotate",
        "ordinary augmentation: any of shift, rotate (by 10 degrees), mirror (left to right), turn (quarter turns, "
        "mirrored), with commas; empty: none",
    )  # fmt: skip
    rare: str = setting(
        "",
        "a class, by name or number, that is filled up with synthetic images or copies; empty: none",
    )
    rare_to: str = setting(
        "mean", "how many images it then has: mean or max (of all classes), or a number"
    )
    seeds: int = setting(5, "classifiers of every training set", low=1, high=1000)
    classifier_steps: int = setting(600, "updates of every classifier", low=1)
    classifier_batch: int = setting(64, "images of such an update", low=2)
    classifier_width: int = setting(
        8, "channels of a classifier's first block; the next two have twice and four times", low=1
    )
    judge_steps: int = setting(2000, "updates of the independent classifier, 64 images each", low=1)
    judge_width: int = setting(16, "channels of its first block", low=1)
    n_judged: int = setting(
        200, "generated images of every class that it and D's class head are asked about", low=1
    )
    export: bool = setting(
        False, "also write the synthetic images as PNG files, a folder per class"
    )
    dry_run: bool = setting(False, "check everything, list what would be made and stop")


FREE = ("help", "debug", "workdir", "fractions", "seeds", "export", "dry_run")  # change no number
MAX_SHARE = 100_000


class Setup(NamedTuple):
    """What all parts of a study share.

    study: Study. experiment: key of presets.TABLE. run, hp: Run and its method's Settings. root: Path of the study.
    shares: V for every fraction 1 / V. ratios: synthetic images per real one. rare: number of the class that is filled up, or
    -1. arms: {key: training_sets.Arm}; this and rare are known once the data are open.
    """

    study: Study
    experiment: str
    run: RunSettings
    hp: Any
    root: pathlib.Path
    shares: tuple
    ratios: tuple
    rare: int = -1
    arms: dict = {}  # noqa: RUF012, never mutated


def numbers(text, flag, low, high):
    """Different floats of a flag with commas. Raises InputError."""
    try:
        found = [float(word) for word in text.split(",")] if text else []
        if not all(low < x <= high for x in found):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--{flag}={text} cannot be read; use numbers above {low:g} up to {high:g}, with commas."
        ) from None
    return sorted(set(found))


def shares_of(text):
    """V of every fraction 1 / V, the largest fraction first. Raises InputError."""
    found = [
        (fraction, round(1 / fraction))
        for fraction in numbers(text, "fractions", 1 / (2 * MAX_SHARE), 1)
    ]
    for fraction, share in found:
        if abs(fraction * share - 1) > 0.01 or share > MAX_SHARE:
            raise InputError(
                f"--fractions={text}: {fraction:g} is not one over a whole number, such as 1, 0.5, 0.1 or 0.01."
            )
    if not found:
        raise InputError(
            "--fractions is empty; use shares of the labels, as in --fractions=1,0.1,0.01."
        )
    return tuple(sorted({share for _, share in found}))


def read(argv):
    """Setup of a command line, before the data are open. Raises InputError."""
    from gan_jax.data import classifier_augment, datasets

    experiment = train.find_preset("augment", Study(), argv)
    groups = [Study(), *train.settings_groups(experiment)[1:]]
    (study, run, hp), values = command_line.parse(__doc__, "experiments.augment", groups, argv)
    classifier_augment.check_names(study.ordinary)
    ratios = numbers(study.ratios, "ratios", 0, 100)
    if not (ratios or study.rare):
        raise InputError(
            "--ratios and --rare are empty, so no training set has synthetic images; set one of them."
        )
    if ratios and study.both_ratio > ratios[-1]:
        raise InputError(
            f"--both_ratio={study.both_ratio:g} is above every ratio; use {ratios[-1]:g} or less."
        )
    run = dataclasses.replace(run, data=datasets.absolute_spec(run.data))
    root = command_line.workdir_of(study.workdir, values, "augment")
    return Setup(study, experiment, run, hp, root, shares_of(study.fractions), tuple(ratios))


def data_of(setup, share):
    """The --data of one share of the labels."""
    return setup.run.data if share == 1 else f"shard:1/{share}/{setup.run.seed}:{setup.run.data}"


def prepare(setup, source):
    """config.Prepared of the GAN of a training Source."""
    from gan_jax import config

    name = setup.experiment
    run = dataclasses.replace(setup.run, data=source.name)
    return config.prepare(config.Config(name, presets.TABLE[name].method, run, setup.hp), source)


def data_options(run):
    """How the data of a run are read."""
    from gan_jax.data import datasets

    return datasets.DataOptions(run.size, run.crop, run.labels, run.skip_bad_images)


def open_data(setup):
    """(Setup with the rare class and the arms, whole training Source, Source of its test images, {share: Source}).

    Raises:
      InputError: whatever can be refused before anything is trained.
    """
    import jax

    from gan_jax import config
    from gan_jax.data import datasets, writers
    from gan_jax.studies.augment import training_sets

    study, run = setup.study, setup.run
    if run.eval_every or run.tensorboard:
        raise InputError(
            "--eval_every and --tensorboard are not for this study; see experiments.evaluate for its GANs."
        )
    config.validate_settings(run, setup.hp, len(jax.devices()))
    whole = datasets.load(run.data, data_options(run))
    if whole.labels is None or len(whole.classes) < 2 or (whole.labels < 0).any():
        raise InputError(
            f"--data={whole.name} has images without a class, or no two classes; label all, or use other data."
        )
    check_gan(setup, whole)
    heldout = load_test(setup, whole)
    if study.export:
        writers.folder_names(whole.classes)
    rare = rare_class(study.rare, whole.classes, heldout) if study.rare else -1
    named = whole.classes[rare] if study.rare else ""
    both = study.both_ratio if setup.ratios else 0.0
    setup = setup._replace(
        rare=rare, arms=training_sets.table(setup.ratios, both, bool(study.ordinary), named)
    )
    parts = {share: part_of(setup, share, whole) for share in setup.shares}
    for part in parts.values():
        target(setup, part)
    return setup, whole, heldout, parts


def check_gan(setup, whole):
    """Refuses settings of the GAN, and a GAN that cannot be asked for a class. Raises InputError."""
    if prepare(setup, whole).method.conditioning.what != "class":
        name = setup.study.experiment
        raise InputError(
            f"--experiment={name} makes images of no class; use acgan or cgan, or add --condition=labels if it has that."
        )


def load_test(setup, whole):
    """Source of the labelled test images. Raises InputError: there are none."""
    from gan_jax.data import datasets

    heldout = datasets.load_heldout(whole, data_options(setup.run))
    if heldout is None or heldout.labels is None or (heldout.labels < 0).all():
        raise InputError(
            f"--data={whole.name} has no labelled test images; use data with a test split."
        )
    rows = heldout.labels >= 0
    return heldout._replace(images=heldout.images[rows], labels=heldout.labels[rows])


def part_of(setup, share, whole):
    """The Source of one share of the labels. Raises InputError: it lacks a class."""
    from gan_jax.data import datasets

    part = whole if share == 1 else datasets.load(data_of(setup, share), data_options(setup.run))
    counts = np.bincount(part.labels, minlength=len(part.classes))
    if not counts.all():
        lost = part.classes[int(np.argmin(counts))]
        raise InputError(
            f"--fractions: one of {share} of {whole.name} has no image of class {lost}; use larger fractions."
        )
    return part


def rare_class(text, classes, heldout):
    """Number of the class that --rare names. Raises InputError."""
    known = {str(i): i for i in range(len(classes))} | {name: i for i, name in enumerate(classes)}
    if text not in known:
        raise InputError(
            f"--rare={text} is no class of these data; use one of {', '.join(classes[:12])}."
        )
    if not (heldout.labels == known[text]).any():
        raise InputError(f"--rare={text}: the test split has no image of it; use another class.")
    return known[text]


def target(setup, part):
    """How many images the rare class of a part is filled up to; 0 without one. Raises InputError."""
    if setup.rare < 0:
        return 0
    counts, text = np.bincount(part.labels, minlength=len(part.classes)), setup.study.rare_to
    named = {"mean": round(counts.mean()), "max": int(counts.max())}
    if text not in named and not text.isdecimal():
        raise InputError(f"--rare_to={text} cannot be read; use mean, max, or a number of images.")
    wanted = named[text] if text in named else int(text)
    if wanted <= counts[setup.rare]:
        raise InputError(
            f"--rare_to={text} asks for {wanted} images, and {part.name} has {counts[setup.rare]} of class "
            f"{part.classes[setup.rare]}; use more."
        )
    return wanted


def keep_settings(setup, whole):
    """Keeps the settings in study.json, so that a study that goes on is the same one."""
    from gan_jax.studies import study_settings

    flags = {
        name: value for name, value in dataclasses.asdict(setup.study).items() if name not in FREE
    }
    study_settings.keep(setup.root, {"gan": prepare(setup, whole)}, flags)


def load_judge(setup, whole, heldout):
    """Extractor of the independent classifier of all training images; trained once and cached."""
    from gan_jax.metrics import features

    settings = features.Settings(
        steps=setup.study.judge_steps, widths=widths(setup.study.judge_width)
    )
    return features.load(whole, heldout, "classifier", settings)


def widths(first):
    """Channels of a classifier's blocks."""
    return first, 2 * first, 4 * first


def make_images(setup, share, part, heldout, judge):
    """Trains the GAN of a share, has images made and judged, writes synthetic.npz and then gan.json, unless it is there.

    A GAN that diverges is written down as failed: it would diverge again.
    """
    from gan_jax import cache
    from gan_jax.data import writers
    from gan_jax.rundir import log, run_folder
    from gan_jax.studies import interleaved
    from gan_jax.studies.augment import results as augment_study

    folder = augment_study.place(setup.root, share)
    if (folder / "gan.json").exists():
        return
    counts = np.bincount(part.labels, minlength=len(part.classes)).tolist()
    record = {"n_real": len(part.images), "counts": counts}
    prepared = prepare(setup, part)
    print(
        f"1 of {share}: GAN of {len(part.images):,} images, {setup.run.steps:,} steps", flush=True
    )
    if diverged := interleaved.advance({"gan": prepared}, {"gan": folder / "gan"}, 1):
        record["failed"] = diverged["gan"]
    else:
        trained = run_folder.load(folder / "gan")
        pictures, labels = synthesise(setup, trained, part)
        cache.write_atomic(folder / "synthetic.npz", writers.npz(pictures, labels, part.classes))
        record |= {"n_synthetic": len(labels), **readings(setup, trained, heldout, judge)}
        record["train_s"] = log.read(folder / "gan" / "metrics.jsonl")[-1]["wall"]["train_s"]
    cache.write_atomic(folder / "gan.json", json.dumps(record, indent=1, allow_nan=False) + "\n")


def synthesise(setup, trained, part):
    """(images uint8, their labels int32): of all classes as in the part, then those that fill up the rare class."""
    import jax

    from gan_jax.training import sampling

    n = n_of_all_classes(setup, part)
    order = np.random.default_rng(setup.run.seed).permutation(len(part.labels))
    asked = np.resize(part.labels[order], n)
    missing = target(setup, part) - int((part.labels == setup.rare).sum()) if setup.rare >= 0 else 0
    # Of every class equally many, of which one is kept: batch statistics, where a generator samples with them, are of all.
    mixed = np.tile(np.arange(len(part.classes), dtype=np.int32), missing)
    kept = np.concatenate([np.ones(n, bool), mixed == setup.rare])
    asked = np.concatenate([asked, mixed]).astype(np.int32)
    sampler = sampling.build_sampler(trained.method)
    made = sampler(trained.state.vars(ema=True), jax.random.key(setup.run.seed), len(asked), asked)
    return made[kept], asked[kept]


def n_of_all_classes(setup, part):
    """How many images of all classes the largest ratio takes."""
    return round(max((0.0, *setup.ratios)) * len(part.images))


def readings(setup, trained, heldout, judge):
    """What D's class head and the judge say of generated images of every class, equally many, and of real test images, every
    class counting equally: "head", "head_real" (None where D has no class head), "judge", "judge_real", "judge_per_class"."""
    import jax

    from gan_jax.training import sampling

    k = len(heldout.classes)
    asked = np.tile(np.arange(k, dtype=np.int32), setup.study.n_judged)
    sampler = sampling.build_sampler(trained.method)
    made = sampler(
        trained.state.vars(ema=True), jax.random.key(setup.run.seed + 1), len(asked), asked
    )
    seen = judge.apply(made)[1].argmax(1) == asked
    record = {
        "judge": float(seen.mean()),
        "judge_real": judge.accuracy,
        "head": None,
        "head_real": None,
    }
    record["judge_per_class"] = seen.reshape(-1, k).mean(0).tolist()
    if head := class_head(trained):
        right = head(heldout.images) == heldout.labels
        recalls = [right[heldout.labels == c].mean() for c in np.unique(heldout.labels)]
        record |= {
            "head": float((head(made) == asked).mean()),
            "head_real": float(np.mean(recalls)),
        }
    return record


def class_head(trained):
    """images uint8 [N, H, W, C] -> int [N], the class that D's class head names, with running statistics; None without one. A
    class for generated images, where there is one, is left out."""
    import jax

    from gan_jax import images
    from gan_jax.core.method import apply_net, make_context
    from gan_jax.metrics.features import extractor

    method, vs = trained.method, trained.state.vars()
    ctx = make_context(method)
    told = lambda *inputs: apply_net(ctx, vs, "disc", *inputs, train=False)[0]
    if (
        "disc" not in method.nets
        or jax.eval_shape(told, *method.example_inputs["disc"]).classes is None
    ):
        return None

    @jax.jit
    def probs(x):
        return jax.nn.softmax(
            told(images.to_float(x, method.hp.pixels)).classes[:, : len(method.conditioning.names)]
        )

    apply = extractor.batched(lambda x: (probs(x), None), "D's class head", 250, fill=True)
    return lambda x: apply(x)[0].argmax(1)


def build_pool(setup, share, part):
    """(Source of all images that the arms of a share choose from, training_sets.Pool); real ones alone where its GAN has failed."""
    from gan_jax.studies.augment import results as augment_study
    from gan_jax.studies.augment import training_sets

    images, labels, origin = (
        [part.images],
        [part.labels],
        [np.full(len(part.labels), training_sets.REAL)],
    )
    path = augment_study.place(setup.root, share) / "synthetic.npz"
    if path.exists():
        with np.load(path) as file:
            images.append(file["images"])
            labels.append(file["labels"])
        of_all = np.arange(len(labels[-1])) < n_of_all_classes(setup, part)
        origin.append(np.where(of_all, training_sets.SYNTHETIC, training_sets.RARE))
    pool = training_sets.Pool(
        np.concatenate(labels), np.concatenate(origin), setup.rare, target(setup, part)
    )
    return part._replace(images=np.concatenate(images), labels=pool.labels), pool


def make_classifiers(setup, share, part, heldout):
    """Trains and tests every classifier of a share that is missing, and writes a file for each."""
    from gan_jax import cache
    from gan_jax.studies.augment import results as augment_study

    folder = augment_study.place(setup.root, share)
    failed = "failed" in json.loads((folder / "gan.json").read_text())
    (folder / "classifiers").mkdir(exist_ok=True)
    wanted = [key for key, arm in setup.arms.items() if not (failed and arm.generated)]
    paths = {
        (seed, key): folder / "classifiers" / f"{key}_{seed}.json"
        for seed in range(setup.study.seeds)
        for key in wanted
    }
    missing = {job: path for job, path in paths.items() if not path.exists()}
    if not missing:
        return
    source, pool = build_pool(setup, share, part)
    for (seed, key), path in missing.items():
        record = classify(setup, setup.arms[key], source, pool, heldout, seed)
        cache.write_atomic(path, json.dumps(record, allow_nan=False) + "\n")
        said = (
            record.get("failed")
            or f"accuracy {augment_study.score(record['confusion'])['accuracy']:.4f}"
        )
        print(f"1 of {share}, seed {seed}, {setup.arms[key].text}: {said}", flush=True)


def classify(setup, arm, source, pool, heldout, seed):
    """{"confusion": counts on the test images, rows are true classes} of one classifier, or {"failed": why}."""
    from gan_jax.metrics import features
    from gan_jax.metrics.features import classifier
    from gan_jax.studies.augment import training_sets

    study, number = setup.study, 1000 * setup.run.seed + seed
    settings = features.Settings(
        study.classifier_steps,
        study.classifier_batch,
        widths=widths(study.classifier_width),
        seed=number % 2**31,
    )
    rng = np.random.default_rng(number)  # the same for all arms of a seed
    plan = training_sets.plan(arm.compose(pool, rng), settings.steps, settings.batch, rng)
    fitted = classifier.fit_plan(source, settings, plan, study.ordinary if arm.ordinary else "")
    try:
        _, probs = fitted(heldout.images)
    except InputError as error:  # it diverged, and would again
        return {"failed": str(error)}
    k = len(source.classes)
    return {
        "confusion": np.bincount(heldout.labels * k + probs.argmax(1), minlength=k * k)
        .reshape(k, k)
        .tolist()
    }


def write_folder(setup, share):
    """Writes the synthetic images of a share as PNG files, unless they are there or the GAN has failed."""
    from gan_jax.data import writers
    from gan_jax.studies.augment import results as augment_study

    folder = augment_study.place(setup.root, share)
    if (folder / "synthetic.npz").exists() and not (folder / "synthetic").exists():
        with np.load(folder / "synthetic.npz") as file:
            writers.folder(
                file["images"], file["labels"], file["classes"].tolist(), folder / "synthetic"
            )


def run(argv):
    """Command line to tables and page."""
    from gan_jax.rundir import run_folder

    setup, whole, heldout, parts = open_data(read(argv))
    if setup.study.dry_run:
        print("Dry run: nothing was written.")
        for share, part in parts.items():
            n = setup.study.seeds * len(setup.arms)
            print(
                f"1 of {share}: GAN of {len(part.images):,} images, {setup.run.steps:,} steps; {n} classifiers"
            )
        return
    with run_folder.lock_run(setup.root):
        keep_settings(setup, whole)
        judge = load_judge(setup, whole, heldout)
        for share, part in parts.items():
            make_images(setup, share, part, heldout, judge)
            if setup.study.export:
                write_folder(setup, share)
            make_classifiers(setup, share, part, heldout)
        write(setup, whole, heldout)


def write(setup, whole, heldout):
    """Prints the tables and writes all that the study leaves, from everything in the folder that is finished."""
    from gan_jax import cache
    from gan_jax.studies.augment import page
    from gan_jax.studies.augment import results as augment_study

    rare = whole.classes[setup.rare] if setup.rare >= 0 else ""
    results = augment_study.collect(setup.root, setup.arms, whole.classes, rare)
    results["protocol"] = protocol(setup, heldout)
    cache.write_atomic(
        setup.root / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n"
    )
    said = "\n".join(f"- {line}" for line in augment_study.verdicts(results))
    parts = [*augment_study.tables(results), augment_study.ALTERNATIVE, said, results["protocol"]]
    cache.write_atomic(setup.root / "tables.md", "\n\n".join(parts) + "\n")
    page.draw(results, setup.root / "augment.png")
    cache.write_atomic(setup.root / "report.html", page.document(results, setup.root))
    print("\n\n".join(parts))
    print(f"Written: tables.md, results.json, augment.png, report.html in {setup.root}")


def protocol(setup, heldout):
    """One paragraph: what was trained on what, and for how long."""
    study, run, hp = setup.study, setup.run, setup.hp
    changed = (
        f"ordinary augmentation {study.ordinary}" if study.ordinary else "no ordinary augmentation"
    )
    wanted = {
        "mean": "as many images as classes have on average",
        "max": "as many images as the largest class has",
    }
    filled = (
        f" Class {study.rare} is filled up to {wanted.get(study.rare_to, study.rare_to + ' images')}."
        if study.rare
        else ""
    )
    return (
        f"Data {run.data}, {run.size} px; the GANs: {study.experiment}, --net={hp.net} of width {hp.width}, batch {run.batch}, "
        f"{run.steps:,} steps, each on its share of the labels alone. Every classifier: width {study.classifier_width}, "
        f"{study.classifier_steps:,} updates of {study.classifier_batch} images, {changed}, tested on {len(heldout.labels):,} "
        f"images.{filled} The independent classifier: width {study.judge_width}, {study.judge_steps:,} updates."
    )
