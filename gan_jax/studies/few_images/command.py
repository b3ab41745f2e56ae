"""Which recipe for how many images? GANs trained on 100, 1,000, 10,000 images, in equal time.

Trains recipes on training sets of several sizes, each from several seeds. All runs of one size and
seed train in one process, a few steps of each in turn, so that what disturbs the machine disturbs
them alike. The time of a step is measured first and kept in pace.json; then every recipe gets as
many updates as fit into the time of the recipe --against. Recipes:

  dcgan          DCGAN
  morpho         Morpho-GAN
  plain          the plain loss on Morpho-GAN's nets
  plain_turns    the same with turns and flips of all that D sees
  symmetric      plain_turns of half of the images, and G turns its own
  plain_augment  the same with DiffAugment: turns, flips, shifts and cutouts of all that D sees
  plain_ada      turns, flips, and the geometry of ADA as often as D's overfitting asks for
  lecam          plain_turns with LeCam's regularisation, which acts from step 1,000 on
  r3gan          R3GAN; what moves over its warm-up has the same share of the run as in its flagfile
  r3gan_ada      the same with the geometry of ADA, more often as training goes on
  finetune       plain_turns begun with the weights of a run on other images (--finetune_from, or
                 one that the study trains on --start_data); its own time alone counts
  finetune_freeze  the same; the first two layers of D stay as they come

Each recipe begins with a flagfile of its training command, COMMAND_quick unless --settings says
otherwise; the page says what to type. Sets of the embedded galaxies have exactly as many images as
--counts says; other data are cut into equal parts (shard:1/PARTS/0:DATA).

Scores compare generated images with one large set of real images, the same for all sizes, which no
run has seen if there are enough: Frechet and kernel distance, precision, recall, coverage, class
balance, and the share of copies of training images. Beside them are real images (the floor), copies
of the training set, and real images of one class (collapsed). Every run is an ordinary one,
WORKDIR/COUNT_RECIPE_SEED. The same command goes on where it was stopped. Writes results.json,
tables.md, report.html and figures.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

from gan_jax import config
from gan_jax.config import Prepared
from gan_jax.core import parallel
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError, counted, typed
from gan_jax.metrics import scoring
from gan_jax.rundir import run_lock, start_weights
from gan_jax.studies import image_sets, interleaved, run_outputs, runner
from gan_jax.studies.few_images import page, scorer, verdicts
from gan_jax.studies.few_images import results as few_images
from gan_jax.studies.few_images.flags import Flags
from gan_jax.studies.few_images.recipes import RECIPES, build_config, typed_words

GROUPS = (Flags(),)  # all flags
START = "start"  # folder of the run that the recipe finetune begins with


class Study(NamedTuple):
    """What all parts of the study share."""

    flags: Flags
    recipes: list[str]  # keys of RECIPES
    root: pathlib.Path
    source: Dataset  # all training images
    heldout: Dataset | None
    sets: dict[int, Dataset]  # training sets by their number of images

    def prepare(self, recipe: str, count: int, steps: int, seed: int, start: str = "") -> Prepared:
        """Prepare one run. start: folder that the recipe finetune begins with; "": none yet."""
        train = self.sets[count]
        init_from = start if RECIPES[recipe].finetunes else ""
        built = build_config(recipe, self.flags, train.name, steps, seed, init_from)
        resident = 0.4 * parallel.memory_gib() / len(self.recipes)
        built = dataclasses.replace(
            built, run=dataclasses.replace(built.run, resident_gib=resident)
        )
        return config.prepare(built, train)

    def prepare_start(self) -> Prepared:
        """Prepare the run on other images that the recipe finetune begins with."""
        flags = dataclasses.replace(self.flags, crop=0, patches=0, labels="", skip_bad_images=False)
        name = next(recipe for recipe in self.recipes if RECIPES[recipe].finetunes)
        built = build_config(name, flags, flags.start_data, flags.start_steps, flags.seed)
        return config.prepare(built)


def read_recipes(flags: Flags) -> list[str]:
    """Read the names in --recipes, each once.

    Raises:
      InputError: a name is not known, the baseline is not among them, or fine-tuning would begin
        with images of the same source.
    """
    names = list(dict.fromkeys(runner.split_names(flags.recipes, RECIPES, "recipes")))
    if flags.against not in names:
        raise InputError(
            f"--against={flags.against} is not among --recipes={flags.recipes}; "
            f"use one of: {', '.join(names)}."
        )
    both = (flags.data, flags.start_data)
    own = not flags.finetune_from and (
        len(set(both)) == 1
        or {datasets.split_spec(spec)[0] for spec in both} == {image_sets.RENDERED}
    )
    for name in names:
        if RECIPES[name].finetunes and own:
            raise InputError(
                f"--recipes={flags.recipes}: {name} begins with a run on other images, and "
                f"--start_data={flags.start_data} is of the source of --data={flags.data}; give "
                f"--start_data images of another source, or leave {name} out."
            )
    return names


def open_study(flags: Flags, root: pathlib.Path) -> Study:
    """Open the data, after all checks that precede training.

    Raises:
      InputError
    """
    recipes, counts = read_recipes(flags), image_sets.parse_counts(flags.counts)
    for recipe in recipes:
        build_config(recipe, flags, flags.data, flags.steps, flags.seed)
    options: DataOptions = flags.data_options(flags.size)
    source, heldout = runner.open_splits(flags.data, options)
    if source.points:
        raise InputError(f"--data={flags.data} are points; use images.")
    scoring.check_counts(source, flags.n_images, "n_images", scorer.METRICS, scores_flag="")
    opened = image_sets.open_sets(flags.data, counts, source, options)
    study = Study(flags, recipes, root, source, heldout, opened)
    for recipe in recipes:
        study.prepare(recipe, min(opened), flags.steps, flags.seed)
        if RECIPES[recipe].finetunes and not flags.finetune_from:
            study.prepare_start()
        elif RECIPES[recipe].finetunes:
            begun = study.prepare(recipe, min(opened), flags.steps, flags.seed, flags.finetune_from)
            start_weights.describe(begun, start_weights.read(flags.finetune_from))
    return study


def train_start(study: Study) -> tuple[str, str]:
    """Train the run that fine-tuning begins with, unless it is given or finished.

    Returns:
      (its folder, a sentence about it); ("", "") without such a recipe.
    """
    flags = study.flags
    if not any(RECIPES[recipe].finetunes for recipe in study.recipes):
        return "", ""
    if flags.finetune_from:
        source = start_weights.read(flags.finetune_from)
        return flags.finetune_from, (
            f"Fine-tuning begins with {flags.finetune_from} ({source.config.run.data}, step "
            f"{source.step:,}), whose time is not counted."
        )
    folder = study.root / START
    with run_lock.lock_run(folder):
        runner.train_run(study.prepare_start(), folder, f"{START}: ")
    minutes = run_outputs.train_seconds(folder) / 60
    return str(folder.resolve()), (
        f"Fine-tuning begins with the study's run {START} ({flags.start_data}, "
        f"{flags.start_steps:,} steps, {minutes:.1f} minutes of training), whose time is not "
        "counted."
    )


def lengths_of(pace: dict[str, float], against: str, steps: int) -> dict[str, int]:
    """Return the steps of each recipe that take as long as `steps` of the baseline.

    Args:
      pace: {recipe: time of a step, in any unit}.
      against: the baseline.
      steps: its length.
    """
    return {recipe: max(1, round(steps * pace[against] / one)) for recipe, one in pace.items()}


def train_all(
    study: Study, lengths: dict[str, int], start: str
) -> tuple[dict[int, dict[str, list[str]]], dict[str, str]]:
    """Train all runs, those of one training set and seed interleaved.

    Args:
      study: Study.
      lengths: {recipe: steps}.
      start: folder that the recipe finetune begins with, or "".

    Returns:
      ({number of images: {recipe: names of the run folders that ended}}, {folder name: message} of
      those that diverged).
    """
    flags, folders, diverged = study.flags, {}, {}
    for count in study.sets:
        folders[count] = {recipe: [] for recipe in study.recipes}
        for seed in range(flags.seed, flags.seed + flags.seeds):
            names = {recipe: f"{count}_{recipe}_{seed}" for recipe in study.recipes}
            runs = {
                recipe: study.prepare(recipe, count, lengths[recipe], seed, start)
                for recipe in study.recipes
            }
            places = {recipe: study.root / name for recipe, name in names.items()}
            failed = interleaved.train_interleaved(runs, places, flags.turns)
            diverged |= failed
            for recipe, name in names.items():
                if name not in failed:
                    folders[count][recipe].append(name)
    return folders, diverged


def describe_recipes(study: Study) -> dict[str, dict[str, Any]]:
    """Describe each recipe for results.json: its title, and what a user types."""
    described = {}
    for name in study.recipes:
        recipe = RECIPES[name]
        words = [*typed_words(name, study.flags.settings), f"--size={study.flags.size}"]
        words += ["--init_from=RUN"] if recipe.finetunes else []
        words += [f"--freeze_disc={recipe.freeze_disc}"] if recipe.freeze_disc else []
        text = f"{typed(f'train {recipe.command}', *words)} --data=..."
        described[name] = {"title": recipe.title, "typed": text}
    return described


def collect(
    study: Study, folders: dict[int, dict[str, list[str]]], diverged: dict[str, str], start: str
) -> dict[str, Any]:
    """Score all runs; collect results.json.

    Args:
      study: Study.
      folders, diverged: see `train_all`.
      start: a sentence about the run that fine-tuning begins with, or "".
    """
    flags = study.flags
    judged = scorer.judge(study.source, study.heldout, study.sets, flags.n_images, flags.neighbours)
    rows: dict[str, dict[str, list[dict]]] = {}
    for count, of_count in folders.items():
        train = study.sets[count]
        rows[str(count)] = {
            recipe: [_score_run(judged.scorer, study.root / name, train) for name in names]
            for recipe, names in of_count.items()
        }
    return {
        "recipes": describe_recipes(study),
        "against": flags.against,
        "seeds": flags.seeds,
        "size": flags.size,
        "classes": judged.classes,
        "rows": rows,
        "folders": {str(count): of_count for count, of_count in folders.items()},
        "controls": {str(count): of_set for count, of_set in judged.controls.items()},
        "start": start,
        "diverged": diverged,
        "protocol": (
            f"{counted(flags.seeds, 'seed')}, each recipe as long as {flags.steps:,} updates of "
            f"{RECIPES[flags.against].title} take; settings of the flagfiles "
            f"*_{flags.settings}. {judged.protocol}"
        ),
    }


def _score_run(judge, folder, train):
    batch = run_outputs.read_batch(folder)
    return judge.score_run(folder, train, batch)


def run(argv: list[str]) -> None:
    """Train, score and compare the recipes that a command line names."""
    (flags,), root = runner.parse("few_images", __doc__, GROUPS, argv)
    flags = dataclasses.replace(
        flags,
        start_data=datasets.absolute_spec(flags.start_data),
        finetune_from=start_weights.absolute(flags.finetune_from),
    )
    study = open_study(flags, root)
    if flags.dry_run:
        print("Dry run: nothing was written. Recipes:")
        for recipe in describe_recipes(study).values():
            print(f"{recipe['title']}: {recipe['typed']}")
        listed = ", ".join(f"{count:,} ({one.name})" for count, one in study.sets.items())
        print(f"Training images: {listed}")
        return
    # Of any seed: more seeds are the same study.
    kinds = {
        f"{count}_{recipe}": study.prepare(recipe, count, flags.steps, seed=0)
        for count in study.sets
        for recipe in study.recipes
    }
    fixed = ("against", "settings", "finetune_from", "start_data", "start_steps")
    fixed_flags = {name: getattr(flags, name) for name in fixed}
    fixed_flags |= {"recipes": ",".join(study.recipes), "counts": ",".join(map(str, study.sets))}
    with runner.study_folder(root, kinds, fixed_flags):
        start, sentence = train_start(study)
        of_smallest = {r: kinds[f"{min(study.sets)}_{r}"] for r in study.recipes}
        pace = interleaved.load_pace(root, of_smallest, flags.pace_steps)
        lengths = lengths_of(pace, flags.against, flags.steps)
        folders, diverged = train_all(study, lengths, start)
        results = collect(study, folders, diverged, sentence)
        page.save_real(study.sets, root)
        runner.write_results(
            root,
            results,
            few_images.tables(results),
            verdicts.verdicts(results),
            page.figures(results, root),
            page.document,
            few_images.NOTE,
        )
