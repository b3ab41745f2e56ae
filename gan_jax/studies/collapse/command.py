"""Mode collapse shown, measured, cured: which GANs cover the modes of the data, and at what cost?

Trains systems on one data set from several seeds. All runs of a seed train in one process, a few
steps of each in turn, so that what disturbs the machine disturbs them alike. They are compared
after an equal number of generator updates and, unless --noequal_time, after equal wall time: the
time of a step is measured first and kept in pace.json, then the faster systems get as many updates
as fit into the time of the slowest; the tables have the time that it really took. On images all
systems have the same size, width, batch, optimizer, averaging and way of sampling, and those whose
method allows it the same nets (Dist-GAN's), so that objectives are compared. On points each has the
settings of the study toys. Systems:

  gan           one generator, plain loss
  gan_d5        the same, D updated 5 times per step
  gan_balance   the same, S1's rule: a step updates only the worse of D and G
  dragan        the plain loss with DRAGAN's penalty
  distgan       Dist-GAN
  morpho        Morpho-GAN
  mgan          several generators and their classifier
  multi_gen     the same without the classifier's terms
  one_gen       mgan's settings, one generator (points)
  pac2, pac4    the plain loss, D judges packs of 2 or 4 images (PacGAN); minibatches have as many
                packs as the others have images
  wgan_gp       Wasserstein loss with WGAN-GP's penalty, D updated 5 times per step
  pair          the loss of relativistic pairs with R1 and R2 (R3GAN's), D without BatchNorm
  dcgan         the plain loss on DCGAN's nets
  dcgan_hdcgan  the plain loss on Morpho-GAN's nets

--disc_sizes=0.25,0.5,1 trains each system with a D of a quarter, half and all of G's width, which
is compared with that of its own size.

The tables also have real data (the floor) and real data of one mode (collapsed). A class of images
is covered if 5 % of the images are of it, to one classifier; a mode of points if 1 % of the points
lie on it; a combination of classes of --data=stacked:DATA if one image has it. Scores are also
taken in training (--curve), which is not counted as time. They tell how long to train: until 90 %
of the way from the first score to the best.

S3 (Abduazimov and Jo) claims that DCGAN collapses where Morpho-GAN and Dist-GAN do not, and that
Morpho-GAN is the lighter of the two. S4 (Salami 2018) claims that several GANs cover modes, and
that five updates of D may be tried. Both give no numbers. Writes results.json, tables.md,
report.html and figures; the same command goes on where it was stopped.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax

from gan_jax import config
from gan_jax.config import Prepared
from gan_jax.core import parallel
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.settings import RunSettings
from gan_jax.studies import interleaved, runner
from gan_jax.studies.collapse import page, scorer
from gan_jax.studies.collapse import results as collapse
from gan_jax.studies.collapse.flags import GROUPS, RUN, Flags, SharedSettings
from gan_jax.studies.collapse.scorer import KINDS
from gan_jax.studies.collapse.systems import SYSTEMS, build_config, kind_of, title


class Study(NamedTuple):
    """What all parts of the study share."""

    flags: Flags
    run: RunSettings
    shared: SharedSettings
    systems: list[str]  # keys of SYSTEMS
    root: pathlib.Path
    train: Dataset
    test: Dataset | None

    def prepare(self, system: str, steps: int, seed: int, eval_every: int = 0) -> Prepared:
        """Prepare one run of a system."""
        run = dataclasses.replace(self.run, steps=steps, seed=seed, eval_every=eval_every)
        if not self.train.points:
            run = dataclasses.replace(run, eval_scores=KINDS[kind_of(run.data)].metrics)
        return config.prepare(build_config(system, run, self.shared), self.train, self.test)

    def prepare_scored(self, system: str, steps: int, seed: int) -> Prepared:
        """Prepare one run that is scored --curve times while it trains."""
        n_scores = min(self.flags.curve, steps)
        return self.prepare(system, steps, seed, steps // n_scores if n_scores else 0)


def read_systems(flags: Flags, points: bool) -> list[str]:
    """Read the names in --systems, each once for every size of D.

    Raises:
      InputError: a name is not known, or not for such data.
    """
    kind = "points" if points else "images"
    able = [name for name, system in SYSTEMS.items() if getattr(system, kind) is not None]
    for name in {word.strip() for word in flags.systems.split(",")} & set(SYSTEMS) - set(able):
        raise InputError(
            f"--systems={flags.systems}: {name} is not for {kind}; use some of {', '.join(able)}."
        )
    systems = runner.split_names(flags.systems, able, "systems")
    if flags.against not in systems:
        raise InputError(
            f"--against={flags.against} is not among --systems={flags.systems}; "
            f"use one of: {', '.join(systems)}."
        )
    sizes = [f"@{size:g}" for size in read_sizes(flags)] or [""]
    return [system + size for size in sizes for system in dict.fromkeys(systems)]


def read_sizes(flags: Flags) -> list[float]:
    """Read the sizes of D in --disc_sizes, each once.

    Raises:
      InputError: one is no positive number.
    """
    words = [word for word in flags.disc_sizes.split(",") if word.strip()]
    try:
        sizes = [float(word) for word in words]
    except ValueError:
        sizes = [0.0]
    if not all(0 < size < float("inf") for size in sizes):
        raise InputError(
            f"--disc_sizes={flags.disc_sizes} must be positive numbers; use "
            "--disc_sizes=0.25,0.5,1."
        )
    return list(dict.fromkeys(sizes))


def refuse_flags(run: RunSettings, shared: SharedSettings) -> None:
    """Refuse flags that mean nothing to this study.

    Raises:
      InputError
    """
    for name in ("eval_every", "eval_scores", "tensorboard", "wandb", "stop_on_collapse"):
        if getattr(run, name) != getattr(RUN, name):
            raise InputError(
                f"--{name} is not for this study, which takes its own scores --curve times; "
                "leave it out."
            )
    for field in dataclasses.fields(shared) if kind_of(run.data) == "points" else ():
        if getattr(shared, field.name) != field.default:
            raise InputError(
                f"--{field.name} is for images; on points each system has the settings of "
                "the study toys; leave it out."
            )


def open_study(flags: Flags, run: RunSettings, shared: SharedSettings, root: pathlib.Path) -> Study:
    """Open the data, after all checks that precede training.

    Raises:
      InputError
    """
    run = dataclasses.replace(run, resident_gib=_resident_gib(flags, run))
    systems = read_systems(flags, kind_of(run.data) == "points")
    refuse_flags(run, shared)
    configs = [build_config(system, run, shared) for system in systems]
    for one in configs:
        config.validate_settings(run, one.hp, len(jax.devices()))
    train, test = runner.open_splits(run.data, configs[0].data_options)
    counts = {"n_images": flags.n_images}
    if flags.curve:
        counts["eval_images"] = run.eval_images
    scorer.check_data(train, counts)
    for one in configs:
        config.prepare(one, train, test)
    return Study(flags, run, shared, systems, root, train, test)


def _resident_gib(flags, run):
    """Memory for one run's data, where all runs of a seed are in memory together."""
    if run.resident_gib >= 0:
        return run.resident_gib
    n_systems = len(flags.systems.split(",")) * max(1, len(read_sizes(flags)))
    n_runs = n_systems * (2 if flags.equal_time else 1)
    return 0.4 * parallel.memory_gib() / n_runs


def run(argv: list[str]) -> None:
    """Train, score and compare the systems that a command line names."""
    run_study("collapse", __doc__, GROUPS, argv)


def run_study(name: str, doc: str | None, groups: Sequence, argv: list[str]) -> None:
    """Run this study as a command of its own.

    Args:
      name: name of the command.
      doc: its docstring.
      groups: its flags, with its own defaults, see flags.GROUPS.
      argv: words after the command's name.
    """
    (flags, base, shared), root = runner.parse(name, doc, groups, argv)
    study = open_study(flags, base, shared, root)
    titles = {system: title(system) for system in study.systems}
    if flags.dry_run:
        print("Dry run: nothing was written. Systems:")
        for system, words in titles.items():
            print(f"{system}: {words}")
        return
    steps = {system: base.steps for system in study.systems}
    # Of any seed: more seeds are the same study.
    kinds = {system: study.prepare(system, base.steps, seed=0) for system in study.systems}
    kept_flags = {"systems": ",".join(study.systems), "curve": flags.curve}
    with runner.study_folder(root, kinds, kept_flags):
        scores = scorer.build_scorer(study.train, study.test, flags.n_images)
        runs = {("updates", system): n for system, n in steps.items()}
        kept = [table for table in interleaved.TABLES if table != "time" or flags.equal_time]
        if flags.equal_time:
            pace = interleaved.load_pace(root, kinds, flags.pace_steps)
            # The slowest system counts as 1, whatever noise says of another.
            pace = {system: min(ratio, 1.0) for system, ratio in pace.items()}
            runs = interleaved.plan_runs(pace, steps, "updates")
        seeds = range(base.seed, base.seed + flags.seeds)
        folders, diverged = interleaved.train_seeds(
            study.prepare_scored, root, runs, seeds, flags.turns
        )
        results, samples = collapse.collect(
            scores, folders, titles, flags.against, shared.net, diverged, kept
        )
        runner.write_results(
            root,
            results,
            collapse.tables(results),
            collapse.verdicts(results),
            page.figures(results, samples, study.train),
            page.document,
        )
