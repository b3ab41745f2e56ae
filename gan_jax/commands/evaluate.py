"""Scores of a trained run, or of any folder of images: how far from the data, how varied, which classes, how like galaxies;
with floor, controls and intervals; nearest training images; of a generator asked for classes, whether it makes them.

Of a run (--workdir) it samples the averaged generator, writes eval.json, neighbours.png, neighbours_real.png and report.html
into its folder and prints a table. Of other images (--images=DIR, FILE.npz or any source, against --data at --size) it writes
the same into --workdir, a folder that it makes. Everything that the numbers depend on is part of the record. The
classifier that counts and compares is trained once per data set and cached; --features chooses another net.
"""

import dataclasses
import json
import pathlib
import sys

from gan_jax import metrics
from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
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
    size: int = setting(64, "with --images: side of all images in pixels", low=8, high=1024)
    crop: int = setting(
        0, "with --images: side of a centre crop of the real images, as in training", low=0
    )
    scores: str = setting(
        "", f"which, with commas; empty: all that suit the data, of {', '.join(metrics.TABLE)}"
    )
    features: str = setting(
        "auto",
        "what images are seen by: auto (a classifier trained on the labels, or a random net), classifier, random, pixels, "
        "onnx:FILE, python:MODULE:NAME, inception:FILE or inception-clean:FILE (weights of pytorch-fid)",
    )
    n_images: int = setting(10000, "generated images per repeat", low=2)
    repeats: int = setting(5, "repeats of sampling, each with fresh noise", low=1)
    neighbours: int = setting(
        256, "images whose nearest training images are searched; 0: none", low=0, high=2000
    )
    seed: int = setting(0, "seed of the sampling", low=0, high=2**31 - 1)
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")


def look(flags, source, heldout, n):
    """evaluate.Evaluator that the flags ask for, once the number of images n was found to be enough."""
    from gan_jax.metrics import evaluate, features

    evaluate.check(source, n, "n_images", flags.scores, features.check(flags.features, source))
    return evaluate.make_evaluator(
        features.load(source, heldout, flags.features), source, flags.scores, strict=True
    )


def add_copies(record, flags, see, source, heldout, generated, workdir):
    """Adds the search for nearest training images, if it is asked for, and its score to a record; writes its pictures."""
    from gan_jax import images
    from gan_jax.metrics import memorization
    from gan_jax.report import score_text

    pictures = {}
    if flags.neighbours:
        print(
            f"searching {len(source.images):,} training images for the nearest ...",
            file=sys.stderr,
            flush=True,
        )
        record["neighbours"], pictures = memorization.study(
            see.extractor, source, heldout, generated, flags.seed
        )
        for name, row in zip(
            (score_text.judged(record), "real"),
            memorization.scores(record["neighbours"]),
            strict=True,
        ):
            record["rows"][name] |= row
    for name in memorization.PICTURES:  # none of an evaluation before this one stays
        (workdir / name).unlink(missing_ok=True)
        if name in pictures:
            images.save_png(workdir / name, pictures[name])


def of_run(flags, workdir):
    """The record of a run."""
    import jax

    from gan_jax.core.conditioning import choose_images
    from gan_jax.core.state import init_jitted
    from gan_jax.metrics import colorization, evaluate
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    if flags.crop:
        raise InputError(f"--crop={flags.crop} is for --images; a run knows its own.")
    trained = run_folder.load(flags.workdir, flags.checkpoint)
    source, heldout = run_folder.data(trained.config, flags.data)
    method, key = trained.method, jax.random.key(flags.seed)
    pool = (heldout or source).images if method.conditioning.needs_images else None
    sampler = sampling.build_sampler(method, pool)
    model, untrained = trained.state.vars(flags.ema), init_jitted(method, trained.config.run.seed).vars()
    samplers = {
        name: lambda seed, n, vs=vs: sampler(vs, jax.random.key(seed), n)
        for name, vs in (("model", model), ("untrained", untrained))
    }
    if source.points:
        record = evaluate.points(source, samplers, flags.n_images, flags.repeats, flags.seed)
    else:
        see = look(flags, source, heldout, flags.n_images)
        record = evaluate.evaluate(
            see, source, heldout, samplers, flags.n_images, flags.repeats, flags.seed
        )
        if method.conditioning.what == "class" and see.extractor.confusion is not None:
            ask = lambda seed, given: sampler(model, jax.random.key(seed), len(given), given)
            record["intended"] = evaluate.conditional(
                see, source, heldout, ask, flags.n_images, flags.seed
            )
        if method.conditioning.needs_images:
            given = choose_images(pool, key, min(flags.n_images, len(pool)))
            gray, made, original = sampling.triplets(
                method, sampler(model, key, len(given), given), given
            )
            record["pairs"] = colorization.study(made, gray, original)
        generated = samplers["model"](flags.seed, max(flags.neighbours, 1))
        add_copies(record, flags, see, source, heldout, generated, workdir)
    record["step"] = trained.step
    record["protocol"] |= {"ema": flags.ema, "sample_stats": trained.config.hp.sample_stats}
    return record


def spec(images):
    """--images as a --data spec: a path is a folder, or an npz file."""
    kind = "npz" if images.endswith(".npz") else "folder"
    return f"{kind}:{images}" if pathlib.Path(images).expanduser().exists() else images


def of_images(flags, workdir):
    """The record of images that lie somewhere."""
    import numpy as np

    from gan_jax import images
    from gan_jax.data import datasets
    from gan_jax.metrics import evaluate

    if not flags.data:
        raise InputError("--images needs real images to be compared with; name them with --data.")
    view = datasets.DataOptions(flags.size, flags.crop)
    made, source = (
        datasets.load(spec(flags.images), datasets.DataOptions(flags.size)),
        datasets.load(flags.data, view),
    )
    for given in (made, source):
        if given.points:
            raise InputError(f"{given.name} holds points; --images and --data are for images.")
    if made.images.shape[3] != source.images.shape[3]:
        kinds = {1: "gray", 3: "colour"}
        a, b = (
            kinds.get(s.images.shape[3], f"of {s.images.shape[3]} channels") for s in (made, source)
        )
        raise InputError(
            f"--images={flags.images} are {a}, --data={flags.data} are {b}; compare images of one kind."
        )
    n = min(flags.n_images, len(made.images))
    heldout = datasets.load_heldout(source, view)
    see = look(flags, source, heldout, n)

    def some(seed, n):
        rows = np.random.default_rng(seed).permutation(len(made.images))[:n]
        return np.asarray(made.images[np.sort(rows)])[np.argsort(np.argsort(rows))]

    repeats = flags.repeats if len(made.images) > n else 1  # all of them again would say nothing
    record = evaluate.evaluate(see, source, heldout, {"images": some}, n, repeats, flags.seed)
    workdir.mkdir(parents=True, exist_ok=True)
    add_copies(
        record, flags, see, source, heldout, some(flags.seed, max(flags.neighbours, 1)), workdir
    )
    record["protocol"] |= {"images": made.name, "images_digest": made.digest}
    images.save_png(workdir / "images.png", images.grid(some(flags.seed, 64), 8))
    return record


def run(argv):
    """Command line to eval.json."""
    from gan_jax import cache
    from gan_jax.metrics import memorization
    from gan_jax.report import run_page, score_text

    (flags,), _ = command_line.parse(__doc__, "experiments.evaluate", [Settings()], argv)
    memorization.check(flags.neighbours, "neighbours")
    workdir = pathlib.Path(flags.workdir or ("runs/images" if flags.images else "")).expanduser()
    if flags.images and (workdir / "config.json").exists():
        raise InputError(
            f"--workdir={workdir} is the folder of a run; name another for the scores of --images."
        )
    record = of_images(flags, workdir) if flags.images else of_run(flags, workdir)
    cache.write_atomic(workdir / "eval.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    print(score_text.table(record))
    print(f"Report: {run_page.write_images(workdir) if flags.images else run_page.write(workdir)}")
