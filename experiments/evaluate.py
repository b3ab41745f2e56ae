"""Scores of a trained run: class balance and Frechet distance, with their floor and controls; nearest training images; and of
a generator that is asked for classes, whether it makes them.

Reads a run folder, samples the averaged generator, writes eval.json, neighbours.png, neighbours_real.png and report.html there
and prints a table. The classifier that counts and compares is trained once per data set and cached.
"""

import dataclasses
import json
import pathlib
import sys

from experiments import common
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(common.Command):
    """Flags of this command."""

    workdir: str = setting("", "the run folder to evaluate")
    data: str = setting("", "where the training data is now, if it has moved")
    n_images: int = setting(10000, "generated images per repeat", low=100)
    repeats: int = setting(5, "repeats of sampling, each with fresh noise", low=1)
    neighbours: int = setting(256, "images whose nearest training images are searched; 0: none", low=0, high=2000)
    seed: int = setting(0, "seed of the sampling", low=0, high=2**31 - 1)
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")


def of_images(flags, trained, source, heldout, samplers, model, pool, workdir):
    """The record of a run that makes images; writes the pictures of nearest neighbours. model: (key, n, given) -> images."""
    import jax

    from gan_jax import evaluate, images, sampling
    from gan_jax.metrics import features, neighbours, pairs

    method, key = trained.method, jax.random.key(flags.seed)
    extractor = features.load(source, heldout)
    record = evaluate.evaluate(extractor, source, heldout, samplers, flags.n_images, flags.repeats, flags.seed)
    if method.by == "class" and record["classes"]:
        ask = lambda seed, given: model(jax.random.key(seed), len(given), given)  # noqa: E731
        record["intended"] = evaluate.conditional(extractor, source, heldout, ask, flags.n_images, flags.seed)
    if method.by == "image":
        given = sampling.drawn_from(pool, key, min(flags.n_images, len(pool)))
        gray, made, original = sampling.triplets(method, model(key, len(given), given), given)
        record["pairs"] = pairs.study(made, gray, original)
    pictures = {}
    if flags.neighbours:
        print(f"searching {len(source.images):,} training images for the nearest ...", file=sys.stderr, flush=True)
        generated = samplers["model"](flags.seed, flags.neighbours)
        record["neighbours"], pictures = neighbours.study(extractor, source, heldout, generated, flags.seed)
    for name in neighbours.PICTURES:  # none of an evaluation before this one stays
        (workdir / name).unlink(missing_ok=True)
        if name in pictures:
            images.save_png(workdir / name, pictures[name])
    return record


def run(argv):
    """Command line to eval.json."""
    import jax

    from gan_jax import cache, evaluate, report, runs, sampling
    from gan_jax.metrics import neighbours
    from gan_jax.state import fresh

    (flags,), _ = common.parse(__doc__, "experiments.evaluate", [Settings()], argv)
    neighbours.check(flags.neighbours, "neighbours")
    trained = runs.load(flags.workdir, flags.checkpoint)
    source, heldout = runs.data(trained.config, flags.data)
    pool = (heldout or source).images if trained.method.by == "image" else None
    sampler = sampling.build_sampler(trained.method, pool)
    model, untrained = trained.state.vars(flags.ema), fresh(trained.method, trained.config.run.seed).vars()
    samplers = {
        name: lambda seed, n, vs=vs: sampler(vs, jax.random.key(seed), n)
        for name, vs in (("model", model), ("untrained", untrained))
    }
    workdir = pathlib.Path(flags.workdir).expanduser()
    if source.points:
        record = evaluate.points(source, samplers, flags.n_images, flags.repeats, flags.seed)
    else:
        evaluate.check(source, flags.n_images, "n_images")
        record = of_images(flags, trained, source, heldout, samplers, lambda *words: sampler(model, *words), pool, workdir)
    record["step"] = trained.step
    record["protocol"] |= {"ema": flags.ema, "sample_stats": trained.config.hp.sample_stats}
    cache.write_atomic(workdir / "eval.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    print(evaluate.table(record))
    print(f"Report: {report.write(workdir)}")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
