"""Two models on disjoint halves: has a GAN learned the distribution, or its sample of it?

The same recipe, any training command with its flags, is trained on two disjoint halves of N images,
from the same seed, so that both begin with the same weights and get the same noise:

  gan-jax two_models --experiment=dcgan --flagfile=dcgan_quick --counts=100,1000,10000

For each N it asks
  - whether the two distributions are alike: the distance between n images of one model and n of the
    other, beside two sets of n real images (the floor) and the two halves themselves, repeated;
  - whether the two generators make the same image of the same noise: the concordance of pairs of
    images, in pixels and in features, beside shuffled pairs;
  - whether their scores agree, beside models of other seeds and halves;
  - whether they copy: is the nearest real image one of their own half?
A generator that learned the distribution would not depend on the half that it saw. The page says
from which N on that is so. Two models may also agree on what is wrong, so their distance to
held-out images stands beside.

Sets of the embedded galaxies have exactly N images; of other data they are equal parts, a little
larger. Both models of all N have equally many updates (--steps). --repeats pairs are trained for
each N, with seeds from --seed on, which also deal the halves. Every run is an ordinary one,
WORKDIR/N_MODEL_SEED. The same command goes on where it was stopped. Writes results.json, tables.md,
report.html and figures.

Kadkhodaie et al. 2024 asked this of diffusion models ("Generalization in diffusion models arises
from geometry-adaptive harmonic representations"), Campagne 2025 of GANs for galaxies.
"""

import dataclasses
from typing import Any, NamedTuple

from gan_jax import config
from gan_jax.config import Prepared
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import counted
from gan_jax.metrics import scoring
from gan_jax.studies import interleaved, runner
from gan_jax.studies.one_recipe import Asked, check_method, read
from gan_jax.studies.two_models import page, scorer, verdicts
from gan_jax.studies.two_models import results as two_models
from gan_jax.studies.two_models.flags import Flags
from gan_jax.studies.two_models.halves import Halves, open_halves

MODELS = ("a", "b")  # in the names of run folders


class Study(NamedTuple):
    """What all parts of the study share."""

    asked: Asked[Flags]
    options: DataOptions
    opened: Halves

    @property
    def seeds(self) -> range:
        """Seeds of the pairs of models: of training, and of dealing the halves."""
        first = self.asked.config.run.seed
        return range(first, first + self.asked.flags.repeats)

    def halves(self, count: int, seed: int) -> tuple[Dataset, Dataset]:
        """Open the two halves of a set of images."""
        return self.opened.open(count, seed, self.options)

    def prepare(self, count: int, seed: int) -> tuple[Prepared, Prepared]:
        """Prepare the two runs of a pair."""
        base = self.asked.config
        runs = []
        for half in self.halves(count, seed):
            run = dataclasses.replace(base.run, data=half.name, seed=seed)
            runs.append(config.prepare(dataclasses.replace(base, run=run), half))
        return runs[0], runs[1]


def open_study(asked: Asked[Flags]) -> Study:
    """Open the data, after all checks that precede training.

    Raises:
      InputError
    """
    flags, one = asked.flags, asked.config
    opened = open_halves(one.run.data, flags.counts, one.data_options, flags.n_images)
    scoring.check_counts(opened.source, flags.n_images, "n_images", scorer.METRICS, scores_flag="")
    study = Study(asked, one.data_options, opened)
    first, _ = study.prepare(min(opened.sets), study.seeds[0])
    check_method(flags.experiment, first.method)
    return study


def train_all(study: Study) -> tuple[dict[int, list[tuple[str, str]]], dict[str, str]]:
    """Train all pairs of models, those of the fewest images first.

    Returns:
      ({number of images: names of the two run folders of each pair that ended}, {folder name:
      message} of runs that diverged).
    """
    root, folders, diverged = study.asked.root, {}, {}
    for count in study.opened.sets:
        folders[count] = []
        for seed in study.seeds:
            names = [f"{count}_{model}_{seed}" for model in MODELS]
            runs = dict(zip(names, study.prepare(count, seed), strict=True))
            failed = interleaved.train_interleaved(runs, {name: root / name for name in names}, 1)
            diverged |= failed
            if not failed:
                folders[count].append((names[0], names[1]))
    return folders, diverged


def collect(
    study: Study, folders: dict[int, list[tuple[str, str]]], diverged: dict[str, str]
) -> dict[str, Any]:
    """Compare the models of all pairs; collect results.json.

    Args:
      study: Study.
      folders, diverged: see `train_all`.
    """
    flags, root = study.asked.flags, study.asked.root
    judged = scorer.judge(
        study.opened, study.options, study.seeds[0], flags.n_images, flags.neighbours
    )
    rows: dict[str, list[dict[str, Any]]] = {}
    for count, pairs in folders.items():
        rows[str(count)] = []
        for first, second in pairs:
            halves = study.halves(count, int(first.rsplit("_", 1)[1]))
            pair = judged.judge.score_pair((root / first, root / second), halves)
            rows[str(count)].append(pair)
    return {
        "typed": study.asked.command(),
        "repeats": flags.repeats,
        "classes": judged.classes,
        "rows": rows,
        "folders": {str(count): pairs for count, pairs in folders.items()},
        "floor": judged.floor,
        "copies": {str(count): one for count, one in judged.copies.items()},
        "diverged": diverged,
        "protocol": (
            f"{counted(flags.repeats, 'pair')} of models for each number of images. "
            f"{judged.protocol}"
        ),
    }


def print_preview(study: Study) -> None:
    """Print what would be done."""
    print("Dry run: nothing was written. Both models of each pair:")
    print(study.asked.command())
    flags = study.asked.flags
    for count, one in study.opened.sets.items():
        print(
            f"{counted(count, 'image')} ({one.name}): {counted(flags.repeats, 'pair')} of models "
            f"of {count // 2:,} images each"
        )
    n_unseen = len(study.opened.unseen.images)
    print(f"Real images that no model sees: {n_unseen:,} {study.opened.unseen_text}")


def run(argv: list[str]) -> None:
    """Train and compare the pairs of models that a command line asks for."""
    asked = read("two_models", __doc__, Flags(), argv)
    study = open_study(asked)
    if asked.flags.dry_run:
        print_preview(study)
        return
    kinds = {str(count): study.prepare(count, study.seeds[0])[0] for count in study.opened.sets}
    fixed = {"counts": ",".join(map(str, study.opened.sets))}
    with runner.study_folder(asked.root, kinds, fixed):
        folders, diverged = train_all(study)
        results = collect(study, folders, diverged)
        runner.write_results(
            asked.root,
            results,
            two_models.tables(results),
            verdicts.verdicts(results),
            page.figures(results),
            page.document,
            two_models.NOTE,
        )
