"""S0: GANs that share the data out between nodes, never talk, and vote.

Is the vote better than a node, and is time saved? For each number of nodes V the training images
are dealt out in V equal parts with the same share of every class. Each node trains an MGAN of its
own on its part, and a classifier on the part's labels, its labeller. The labeller classifies the
MGAN's images; where it is sure to 0.9 or more, its class becomes their label, and the node's own
classifier is trained on these images alone. The V classifiers vote on the test images. Compared are
the mean accuracy of the single nodes and that of the vote, over repeats with other seeds and other
parts; and the time of the slowest node (all at once) with the sum (one after another). S0 leaves
most of this open (labels, tie rule, number of images). Its text can also be read so that one
central classifier labels all images: then each generator stands for the class that most of its
images get, and the share of images of that class is its purity. S0: Mirabedini et al. 2020, "Image
generation and classification via generative adversarial networks"; see D18.

Each node is an ordinary run, WORKDIR/repeat_R/V/node_I, which sample and evaluate open.
Nodes run one after another, or those of an ensemble as members of one program
(--members_by=vmapped, for a GPU), or as processes that share the file system alone: --jobs=N on
this machine, --slurm on a cluster, or by hand --node=R/V/I on any machine, after which the command
without --node makes the tables. The same command goes on where it was stopped; more nodes or
repeats are added to what is there. Writes tables.md, results.json, ensemble.png and report.html.
For a sweep over epochs or batch sizes give each value a --workdir of its own.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from gan_jax import config
from gan_jax.commands import command_line
from gan_jax.config import Config
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, Stopped
from gan_jax.studies import jobs, runner
from gan_jax.studies.ensemble import page
from gan_jax.studies.ensemble import results as ensemble
from gan_jax.studies.ensemble.flags import FREE, GROUPS, RUN, Study
from gan_jax.studies.ensemble.nodes import METHOD, Node, list_nodes, train_nodes
from gan_jax.training import multi_seed


def open_data(study: Study, nodes: Sequence[Node]) -> tuple[Dataset, Dataset]:
    """Open training and labelled test images, after all checks that precede training.

    Raises:
      InputError
    """
    run, gan = study.run, Config(METHOD, METHOD, study.run, study.hp)
    if run.steps != RUN.steps or run.eval_every or run.tensorboard or run.wandb:
        raise InputError(
            "--steps, --eval_every, --tensorboard and --wandb are not for this study; leave them "
            "out, and use --epochs for the length."
        )
    config.validate_settings(run, study.hp, len(jax.devices()))
    train, test = runner.open_splits(run.data, gan.data_options)
    config.prepare(gan, train)
    if runner.count_classes(train) < 2:
        raise InputError(
            f"--data={train.name} has no two classes, so there is nothing to vote on; "
            "use labelled images."
        )
    most_nodes = max(node.n_nodes for node in nodes)
    rarest = np.unique(train.labels[train.labels >= 0], return_counts=True)[1].min()
    if rarest < most_nodes:
        raise InputError(
            f"--data={train.name} has a class of {rarest} images, too few for {most_nodes} nodes; "
            f"use --nodes={rarest} or fewer."
        )
    test = runner.labelled_images(test)
    if test is None:
        raise InputError(
            f"--data={train.name} has no labelled test images to vote on; "
            "use data with a test split."
        )
    return train, test


def protocol(study: Study, test: Dataset) -> str:
    """Say in words what was trained on what, for how long, and how it was timed."""
    flags, run, hp = study.flags, study.run, study.hp
    if flags.members_by != "turns":
        how = f"the nodes of an ensemble in one program ({flags.members_by})"
    elif flags.slurm:
        how = "by SLURM"
    else:
        how = f"{flags.jobs} node{'s' if flags.jobs > 1 else ''} at a time"
    return (
        f"Data {run.data}, {run.size} px; epochs {flags.epochs}, batch {run.batch}, --net={hp.net} "
        f"of width {hp.width}, {hp.n_gens} generators, Adam {hp.lr:g} (beta1 {hp.beta1:g}), beta "
        f"{hp.beta:g}. Of each node's {flags.n_synthetic:,} images those that its labeller is sure "
        f"of to {flags.confidence:g}; classifiers of width {flags.classifier_width}, "
        f"{flags.classifier_steps} updates. {len(test.labels):,} test images. Times are of the "
        f"GANs' training without compilation, on {jax.devices()[0].device_kind}, {how}."
    )


def write(study: Study, test: Dataset) -> None:
    """Write the results of all nodes that are finished."""
    results = ensemble.collect(study.root, test.labels, test.classes)
    results["protocol"] = protocol(study, test)
    tables, verdicts = ensemble.tables(results), ensemble.verdicts(results)
    figures = {"ensemble.png": functools.partial(page.draw, results)}
    runner.write_results(study.root, results, tables, verdicts, figures, page.document)


def run(argv: list[str]) -> None:
    """Make the nodes that a command line asks for, and compare them."""
    (flags, base, hp), root = runner.parse("ensemble", __doc__, GROUPS, argv)
    members_by = multi_seed.choose_execution(flags.members_by, base)
    flags = dataclasses.replace(flags, members_by=members_by)
    study = Study(flags, base, hp, root)
    if members_by != "turns" and (flags.jobs > 1 or flags.slurm or flags.node):
        raise InputError(
            f"--members_by={members_by} is one process for an ensemble; "
            "leave out --jobs, --slurm and --node."
        )
    if flags.slurm:
        command_line.need("submitit", "--slurm", "sweep")
    nodes = list_nodes(flags)
    train, test = open_data(study, nodes)
    if flags.dry_run:
        print(f"Dry run: nothing was written. {len(nodes)} nodes:", *nodes, sep="\n")
        return
    if flags.slurm:
        jobs.cluster(flags.slurm, root / "slurm")  # refuses what it cannot do, before any training
    kinds = {METHOD: config.prepare(Config(METHOD, METHOD, base, hp), train)}
    kept_flags = {k: v for k, v in dataclasses.asdict(flags).items() if k not in FREE}
    # A single node shares the folder with others that are made at the same time.
    with runner.study_folder(root, kinds, kept_flags, lock=not flags.node):
        undone = train_nodes(study, nodes, argv, train, test)
        if not flags.node:
            write(study, test)
        if undone:
            raise Stopped(
                f"not finished: {'; '.join(map(str, undone))} (why: {root / 'logs'}). "
                "The same command goes on."
            )
