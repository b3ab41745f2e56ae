"""Scores a trained run, or any folder of images, beside floor and controls.

Tells how far images are from the data, how varied, of which classes, how like galaxies; whether
they are copies of training images; and of a generator that is asked for classes, whether it makes
them.

Of a run (--workdir) it samples the averaged generator, writes eval.json, neighbours.png,
neighbours_real.png and report.html into its folder and prints a table. Of other images
(--images=DIR, FILE.npz or any source, against --data at --size) it writes the same into --workdir,
a folder that it makes. Everything that the numbers depend on is part of the record. The classifier
that counts and compares is trained once per data set and cached; --features chooses another net.
"""

import dataclasses
import json
import pathlib
import sys
import tempfile
from typing import TYPE_CHECKING

from gan_jax import metrics
from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting, size_setting

if TYPE_CHECKING:
    import numpy as np

    from gan_jax.data.datasets import Dataset
    from gan_jax.metrics.scoring import Evaluator


@dataclasses.dataclass(frozen=True)
class Flags(command_line.RunFlags):
    """Flags of this command."""

    workdir: str = setting(
        "", "the run folder to evaluate; with --images the folder for the results"
    )
    images: str = setting(
        "", "images to score instead of a run's: a folder, an npz file, or any source as in --data"
    )
    data: str = setting(
        "",
        "with --images: the real images; of a run: where its training data is now, if it has moved",
    )
    size: int | str = size_setting(64, "with --images: side of all images in pixels")
    crop: int = setting(
        0, "with --images: side of a centre crop of the real images, as in training", low=0
    )
    patches: int = setting(
        0, "with --images: side of the patches of the real images, as in training", low=0
    )
    labels: str = setting("", "with --images: what the classes of the real images are, see train")
    colors: str = setting(
        "auto",
        "with --images: convert all images to rgb or gray; auto: as they are",
        choices=("auto", "rgb", "gray"),
    )
    stretch: str = setting("", "with --images: stretch of the real images, as in training")
    skip_bad_images: bool = setting(
        False, "leave out image files that cannot be read or are too small, and name them"
    )
    scores: str = setting(
        "",
        "which, with commas; empty: all that suit the data, of "
        f"{', '.join(metrics.TABLE)}; and python:MODULE:NAME",
    )
    features: str = setting(
        "auto",
        "what images are seen by: auto (a classifier trained on the labels, or a random net), "
        "classifier, random, pixels, onnx:FILE, python:MODULE:NAME, inception:FILE or "
        "inception-clean:FILE (weights of pytorch-fid)",
    )
    n_images: int = setting(10000, "generated images per repeat", low=2)
    repeats: int = setting(5, "repeats of sampling, each with fresh noise", low=1)
    neighbours: int = setting(
        256, "images whose nearest training images are searched; 0: none", low=0, high=2000
    )
    seed: int = setting(0, "seed of the sampling", low=0, high=2**31 - 1)
    ema: bool = setting(True, "use the averaged generator")
    out: str = setting(
        "",
        "of a run: where to write; default: the run folder, or NAME-results beside a published one",
    )


def run(argv: list[str]) -> None:
    """Evaluate what a command line names."""
    from gan_jax.report import score_tables

    (flags,), _ = command_line.parse(__doc__, "evaluate", [Flags()], argv)
    record, page = evaluate_to_files(flags)
    print(score_tables.format_evaluation(record))
    print(f"Report: {page}")


def _check_place(out, flag):
    """Refuse a folder that cannot be written to, before anything is computed."""
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return
    except OSError as error:
        raise InputError(
            f"--{flag}={out} cannot be written to ({error.strerror}); name another folder with "
            f"--{flag}."
        ) from error


def evaluate_to_files(flags: Flags) -> tuple[dict, pathlib.Path]:
    """Score what the flags name; write eval.json, pictures and the report page.

    Returns:
      (the record in eval.json, path of the page).

    Raises:
      InputError: there is no such run, or the data or the flags do not suit.
    """
    from gan_jax import cache
    from gan_jax.metrics import memorization
    from gan_jax.report import parts, run_page
    from gan_jax.rundir import run_folder

    memorization.check_queries(flags.neighbours, "neighbours")
    workdir = pathlib.Path(flags.workdir or ("runs/images" if flags.images else "")).expanduser()
    if flags.images and flags.out:
        raise InputError(
            f"--out={flags.out} is for runs; leave it out, and name the folder with --workdir."
        )
    for name in ("checkpoint", "download"):
        if flags.images and (value := getattr(flags, name)) != getattr(Flags, name):
            raise InputError(
                f"--{name}={value} is for runs, and --images are no run's; leave it out."
            )
    if flags.images and (workdir / "config.json").exists():
        raise InputError(
            f"--workdir={workdir} is the folder of a run; use another for scores of other images."
        )
    out = pathlib.Path(flags.out or run_folder.output_folder(workdir)).expanduser()
    if out != workdir and (out / "config.json").exists():
        raise InputError(f"--out={out} is the folder of another run; name another for the scores.")
    _check_place(out, "workdir" if flags.images else "out")
    record = score_images(flags, out) if flags.images else score_run(flags, out)
    parts.add_scores(record)
    cache.write_atomic(out / "eval.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    if flags.images:
        return record, run_page.write_images(out)
    if out != workdir:
        return record, run_page.write_images(out, f"{workdir} at step {record['step']:,}")
    return record, run_page.write(workdir)


def score_run(flags: Flags, out: pathlib.Path) -> dict:
    """Score the samples of a run; write pictures into a folder.

    Returns:
      the record for eval.json.
    """
    import jax
    import numpy as np

    from gan_jax import images
    from gan_jax.config import condition_pool
    from gan_jax.core.conditioning import ByImage, ByQuantities
    from gan_jax.core.initialize import init_jitted
    from gan_jax.metrics import asked_quantities, colorization, evaluate
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    for name in ("size", "crop", "patches", "labels", "colors", "stretch"):
        if (value := getattr(flags, name)) != getattr(Flags, name):
            raise InputError(
                f"--{name}={value} is for --images, a run knows its own; leave it out."
            )
    loaded = run_folder.load(flags.workdir, flags.checkpoint, flags.download)
    if flags.skip_bad_images:
        loaded = run_folder.skipping_bad_images(loaded)
    model = run_folder.sampled_vars(loaded, flags.ema)
    train, heldout = run_folder.load_data(loaded.config, loaded.dataset_info, flags.data)
    method, conditioning = loaded.method, loaded.method.conditioning
    pool = condition_pool(method, train, heldout)
    evaluator = None if train.points else make_evaluator(flags, train, heldout, flags.n_images)
    units = train.format if evaluator and evaluator.reads_values else None
    sample_all = sampling.build_sampler(method, pool, units=units, also_shown=True)
    untrained = init_jitted(method, loaded.config.run.seed).vars()

    def sampler(*arguments):
        return sample_all(*arguments)[0] if units else sample_all(*arguments)

    def sampler_of(name, vs):
        def sample(seed, n):
            print(f"scoring {n:,} images, {name}, seed {seed} ...", file=sys.stderr, flush=True)
            return sample_all(vs, jax.random.key(seed), n)

        return sample

    samplers = {
        name: sampler_of(name, vs) for name, vs in (("model", model), ("untrained", untrained))
    }
    sampling_flags = flags.n_images, flags.repeats, flags.seed
    out.mkdir(parents=True, exist_ok=True)
    if evaluator is None:
        record = evaluate.evaluate_points(train, samplers, *sampling_flags)
    else:
        record = evaluate.evaluate(evaluator, train, heldout, samplers, *sampling_flags)
        if conditioning.what == "class" and evaluator.extractor.confusion is not None:

            def sample_classes(seed, classes):
                return sampler(model, jax.random.key(seed), len(classes), classes)

            record["intended"] = evaluate.evaluate_class_accuracy(
                evaluator, train, heldout, sample_classes, flags.n_images, flags.seed
            )
        if isinstance(conditioning, ByQuantities) and train.values is not None:
            reader = asked_quantities.load(train, heldout)
            rng, names = np.random.default_rng(flags.seed), conditioning.quantities.names
            asked = rng.choice(train.values, flags.n_images)
            generated = sampler(model, jax.random.key(flags.seed), len(asked), asked)
            record["asked"] = asked_quantities.score_asked(
                reader, generated, asked, names, flags.seed
            )
        if isinstance(conditioning, ByImage):
            key, n = jax.random.key(flags.seed), min(flags.n_images, len((heldout or train).images))
            originals = conditioning.choose(pool, key, n)
            colored = sampler(model, key, n, originals)
            gray, colored, originals = sampling.triplets(method, colored, originals)
            record["pairs"] = colorization.score_colorization(colored, gray, originals)
        generated = sampler(model, jax.random.key(flags.seed), max(flags.neighbours, 1))
        show = loaded.config.run.show
        add_neighbours(record, flags, evaluator, train, heldout, generated, out, show)
        if not (out / "config.json").exists():  # whose page shows the samples of training
            shown = sampler(model, jax.random.key(flags.seed), 64)
            images.save_png(out / "images.png", images.grid(shown, 8, show=show))
    record["step"], hp = loaded.step, loaded.config.hp
    if flags.ema and loaded.state.ema and not (hp.ema_warmup or hp.ema_images):
        record["untrained_share"] = hp.ema**loaded.step  # weight of the start in the average
    record["protocol"] |= {"ema": flags.ema, "sample_stats": loaded.config.hp.sample_stats}
    return record


def score_images(flags: Flags, workdir: pathlib.Path) -> dict:
    """Score images that are no run's. Returns the record for eval.json."""
    import numpy as np

    from gan_jax import images
    from gan_jax.data import datasets, labels, stretched
    from gan_jax.metrics import content_order, evaluate, photometry, scoring

    if not flags.data:
        raise InputError("--images needs real images to be compared with; name them with --data.")
    options = datasets.DataOptions(
        flags.size,
        flags.crop,
        flags.labels,
        flags.skip_bad_images,
        flags.colors,
        flags.stretch,
        flags.patches,
    )
    # Scored images may lie in any folders: their classes do not count.
    scored = datasets.load(
        data_spec_of(flags.images), options._replace(crop=0, patches=0, labels=labels.NO_LABELS)
    )
    real = datasets.load(data_spec_of(flags.data), options)
    has_values = photometry.has_units(scored)
    scored = stretched.like(scored, real)
    check_comparable(flags, scored, real)
    n = min(flags.n_images, len(scored.images))
    heldout = datasets.load_heldout(real, options)
    evaluator = make_evaluator(flags, real, heldout, n, has_values)

    order = content_order.sort_rows(scored.images)
    repeats = max(1, min(flags.repeats, len(order) // n))  # parts that share no image

    def chosen(seed, n):  # of other seeds, other images
        first = n * ((seed - flags.seed) % repeats)
        return np.random.default_rng(flags.seed).permutation(order)[first : first + n]

    def sample(seed, n):
        return images.take_rows(scored.images, chosen(seed, n))

    def sample_all(seed, n):
        return sample(seed, n), scoring.values_of(scored, chosen(seed, n))

    samplers: dict[str, evaluate.Sampler] = {
        "images": sample_all if evaluator.reads_values else sample
    }
    record = evaluate.evaluate(evaluator, real, heldout, samplers, n, repeats, flags.seed)
    workdir.mkdir(parents=True, exist_ok=True)
    queries = sample(flags.seed, max(flags.neighbours, 1))
    add_neighbours(record, flags, evaluator, real, heldout, queries, workdir)
    record["protocol"] |= {"images": scored.name, "images_digest": scored.digest}
    images.save_png(workdir / "images.png", images.grid(sample(flags.seed, 64), 8))
    return record


def make_evaluator(
    flags: Flags, real: "Dataset", heldout: "Dataset | None", n: int, values: bool = True
) -> "Evaluator":
    """Make the Evaluator that the flags ask for, of n images.

    values: whether the scored images have values in units of their own where the real ones do.

    Raises:
      InputError: n images, or the real ones, are too few for a score.
    """
    from gan_jax.metrics import features, photometry, scoring

    values = values and photometry.has_units(real)
    scoring.check_values(flags.scores, values)
    n_features = features.count_features(flags.features, real)
    has_classes = features.has_classes(flags.features, real)
    scoring.check_counts(real, n, "n_images", flags.scores, n_features, has_classes=has_classes)
    extractor = features.load(real, heldout, flags.features)
    return scoring.make_evaluator(extractor, real, flags.scores, strict=True, values=values)


def add_neighbours(
    record: dict,
    flags: Flags,
    evaluator: "Evaluator",
    real: "Dataset",
    heldout: "Dataset | None",
    generated: "np.ndarray",
    workdir: pathlib.Path,
    show: str = "",
) -> None:
    """Add the search for nearest training images to a record, and write its pictures."""
    from gan_jax import images
    from gan_jax.metrics import memorization

    pictures = {}
    if flags.neighbours:
        n = len(real.images)
        print(f"searching {n:,} training images for the nearest ...", file=sys.stderr, flush=True)
        record["neighbours"], pictures = memorization.detect_copies(
            evaluator.extractor, real, heldout, generated, flags.seed, show
        )
    for name in memorization.PICTURE_FILES:  # those of an earlier evaluation go
        (workdir / name).unlink(missing_ok=True)
        if name in pictures:
            images.save_png(workdir / name, pictures[name])


def data_spec_of(images: str) -> str:
    """Turn --images, or --data, into a --data spec: a path is a folder, or an npz file."""
    kind = "npz" if images.endswith(".npz") else "folder"
    return f"{kind}:{images}" if pathlib.Path(images).expanduser().exists() else images


def check_comparable(flags: Flags, scored: "Dataset", real: "Dataset") -> None:
    """Refuse points, and images of different channels.

    Raises:
      InputError
    """
    for dataset in (scored, real):
        if dataset.points:
            raise InputError(f"{dataset.name} holds points; --images and --data are for images.")
    channels = [dataset.images.shape[3] for dataset in (scored, real)]
    if channels[0] != channels[1]:
        a, b = ({1: "gray", 3: "colour"}.get(n, f"of {n} channels") for n in channels)
        raise InputError(
            f"--images={flags.images} are {a}, --data={flags.data} are {b}; "
            "use --colors=rgb or --colors=gray, which convert both to one kind."
        )
