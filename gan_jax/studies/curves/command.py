"""Curves: how do scores grow with the number of training images, and with the length of training?

Trains one recipe, any training command with its flags, on sets of several sizes, each from several
seeds, and scores every model as it trains:

  gan-jax curves --experiment=dcgan --flagfile=dcgan_quick --counts=100,1000,10000 --seeds=3

Every model is scored at --steps, at half of that, a quarter, and so on (--points), against one
large set of real images, the same for all. So there are two curves of each score, with intervals
over seeds: over the number of images, and over training for each number. The page says for each
score from which number of images on, and from which step on, it lies within its interval of the
largest: more would not have shown.

All models have equally many updates. --scores names any metrics of `evaluate`; points in the plane
have their own scores, and curves over training alone. Sets of the embedded galaxies have exactly as
many images as --counts says; other data are cut into equal parts. Every run is an ordinary one,
WORKDIR/COUNT_SEED. The same command goes on where it was stopped, and more seeds are added to what
is there. Writes results.json, tables.md, report.html and curves.png.
"""

import dataclasses
from typing import Any, NamedTuple

from gan_jax import config
from gan_jax.config import Prepared
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, counted
from gan_jax.metrics import scoring
from gan_jax.studies import image_sets, runner
from gan_jax.studies.curves import page, scorer
from gan_jax.studies.curves import results as curves
from gan_jax.studies.curves.flags import Flags
from gan_jax.studies.one_recipe import Asked, check_method, read


class Study(NamedTuple):
    """What all parts of the study share."""

    asked: Asked[Flags]
    source: Dataset  # all training images
    heldout: Dataset | None
    sets: dict[int, Dataset]  # by their number of images, ascending

    @property
    def points(self) -> list[int]:
        """Steps at which each model is scored."""
        return scorer.spread_points(self.asked.config.run.steps, self.asked.flags.points)

    @property
    def seeds(self) -> range:
        """Seeds of the models of each set."""
        first = self.asked.config.run.seed
        return range(first, first + self.asked.flags.seeds)

    def prepare(self, count: int, seed: int) -> Prepared:
        """Prepare one run."""
        one, train = self.asked.config, self.sets[count]
        run = dataclasses.replace(one.run, data=train.name, seed=seed)
        return config.prepare(dataclasses.replace(one, run=run), train)


def open_study(asked: Asked[Flags]) -> Study:
    """Open the data, after all checks that precede training.

    Raises:
      InputError
    """
    flags, one = asked.flags, asked.config
    counts = image_sets.parse_counts(flags.counts)
    source, heldout = runner.open_splits(one.run.data, one.data_options)
    if source.points and counts != [None]:
        raise InputError(
            f"--counts={flags.counts}: {one.run.data} are points, of which there are no sets; "
            f"use --counts={image_sets.ALL}."
        )
    if not source.points:
        scoring.check_values(flags.scores, False)
        scoring.check_counts(source, flags.n_images, "n_images", flags.scores)
    sets = image_sets.open_sets(one.run.data, counts, source, one.data_options)
    study = Study(asked, source, heldout, sets)
    for count in sets:
        check_method(flags.experiment, study.prepare(count, study.seeds[0]).method)
    return study


def print_preview(study: Study) -> None:
    """Print what would be done."""
    print("Dry run: nothing was written. All models:")
    print(study.asked.command())
    for count, one in study.sets.items():
        models = counted(study.asked.flags.seeds, "model")
        print(f"{counted(count, 'image')} ({one.name}): {models}")
    print(f"Scored at steps {', '.join(f'{step:,}' for step in study.points)}")


def collect(study: Study) -> dict[str, Any]:
    """Train and score all runs that are not there yet; collect results.json."""
    flags = study.asked.flags
    measure = scorer.build_measure(study.source, study.heldout, study.sets, flags)
    rows: dict[str, list[dict]] = {}
    diverged = {}
    for count in study.sets:
        rows[str(count)] = []
        for seed in study.seeds:
            folder = study.asked.root / f"{count}_{seed}"
            prepared = study.prepare(count, seed)
            points, why = scorer.train_and_score(
                prepared, folder, study.points, measure, flags.n_images
            )
            if why:
                diverged[folder.name] = why
            else:
                rows[str(count)].append({"seed": seed, "points": points})
    return {
        "typed": study.asked.command(),
        "seeds": flags.seeds,
        "points": study.points,
        "classes": measure.classes,
        "floor": measure.floor,
        "rows": rows,
        "diverged": diverged,
        "protocol": (
            f"{counted(flags.seeds, 'model')} for each number of images, each of "
            f"{study.asked.config.run.steps:,} steps. {measure.protocol}"
        ),
    }


def run(argv: list[str]) -> None:
    """Train and score the models that a command line asks for, and draw the curves."""
    asked = read("curves", __doc__, Flags(), argv)
    study = open_study(asked)
    if asked.flags.dry_run:
        print_preview(study)
        return
    kinds = {str(count): study.prepare(count, study.seeds[0]) for count in study.sets}
    fixed = {name: getattr(asked.flags, name) for name in ("points", "n_images", "scores")}
    fixed["counts"] = ",".join(map(str, study.sets))
    with runner.study_folder(asked.root, kinds, fixed):
        results = collect(study)
        runner.write_results(
            asked.root,
            results,
            curves.tables(results),
            curves.verdicts(results),
            page.figures(results),
            page.document,
            curves.NOTE,
        )
