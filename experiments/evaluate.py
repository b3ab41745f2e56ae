"""Scores of a trained run: class balance and Frechet distance, with their floor and controls beside them.

Reads a run folder, samples the averaged generator, writes eval.json and report.html there and prints a table. The classifier
that counts and compares is trained once per data set and cached.
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
    seed: int = setting(0, "seed of the sampling", low=0, high=2**31 - 1)
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")


def run(argv):
    """Command line to eval.json."""
    import jax

    from gan_jax import cache, evaluate, report, runs, sampling
    from gan_jax.metrics import features
    from gan_jax.state import fresh

    (flags,), _ = common.parse(__doc__, "experiments.evaluate", [Settings()], argv)
    trained = runs.load(flags.workdir, flags.checkpoint)
    source, heldout = runs.data(trained.config, flags.data)
    evaluate.check(source, flags.n_images, "n_images")
    sampler = sampling.build_sampler(trained.method)
    untrained = fresh(trained.method, trained.config.run.seed)
    samplers = {
        name: lambda seed, n, vs=vs: sampler(vs, jax.random.key(seed), n)
        for name, vs in (("model", trained.state.vars(flags.ema)), ("untrained", untrained.vars()))
    }
    record = evaluate.evaluate(
        features.load(source, heldout), source, heldout, samplers, flags.n_images, flags.repeats, flags.seed
    )
    record["step"] = trained.step
    record["protocol"] |= {"ema": flags.ema, "sample_stats": trained.config.hp.sample_stats}
    workdir = pathlib.Path(flags.workdir).expanduser()
    cache.write_atomic(workdir / "eval.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    print(evaluate.table(record))
    print(f"Report: {report.write(workdir)}")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
