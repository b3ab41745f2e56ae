"""The nodes of the study of voting: their names, data and seeds, and how they are trained.

A node trains its GAN and then its classifiers, see `classify`. Its folder is an ordinary run folder
that also has votes.npz and node.json; node.json is written last.
"""

import dataclasses
import itertools
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax import config
from gan_jax.config import Config, Prepared
from gan_jax.data import datasets
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, NonFiniteError
from gan_jax.metrics.features import Extractor
from gan_jax.rundir import run_lock
from gan_jax.settings import RunSettings
from gan_jax.studies import jobs, run_outputs, runner
from gan_jax.studies.ensemble import classify
from gan_jax.studies.ensemble.flags import Flags, Study
from gan_jax.training import multi_seed
from gan_jax.training.signals import Signals

METHOD = "mgan"
MAX_NODES = 64


class Node(NamedTuple):
    """One node of one ensemble."""

    repeat: int  # from 0
    n_nodes: int  # that share the data
    number: int  # which of them, from 1

    def folder(self, root: pathlib.Path) -> pathlib.Path:
        """Return its run folder."""
        return root / f"repeat_{self.repeat}" / str(self.n_nodes) / f"node_{self.number}"

    def is_done(self, root: pathlib.Path) -> bool:
        """Say whether the node is finished, or has failed."""
        return (self.folder(root) / "node.json").exists()

    def __str__(self) -> str:
        return f"repeat {self.repeat}, node {self.number} of {self.n_nodes}"


def list_nodes(flags: Flags) -> list[Node]:
    """List all nodes that the flags ask for, repeat by repeat.

    A study that was stopped thus has whole repeats.

    Raises:
      InputError: --nodes or --node cannot be read.
    """
    try:
        if flags.node:
            node = Node(*(int(word) for word in flags.node.split("/")))
            if node.repeat < 0 or not 1 <= node.number <= node.n_nodes <= MAX_NODES:
                raise ValueError
            return [node]
        counts = sorted({int(word) for word in flags.nodes.split(",")})
        if counts[0] < 1 or counts[-1] > MAX_NODES:
            raise ValueError
    except (ValueError, TypeError):
        flag = f"--node={flags.node}" if flags.node else f"--nodes={flags.nodes}"
        raise InputError(
            f"{flag} cannot be read; use numbers from 1 to {MAX_NODES}, "
            "as in --nodes=1,3,5 or --node=0/3/1."
        ) from None
    return [Node(r, of, i) for r in range(flags.repeats) for of in counts for i in range(1, of + 1)]


def seeds_of(node: Node, seed: int) -> tuple[int, int, int]:
    """Return the seeds of a node's GAN, labeller and classifier; no two nodes share one."""
    state = np.random.SeedSequence([seed, *node]).generate_state(3)
    gan, labeller, voter = (int(s) >> 1 for s in state)
    return gan, labeller, voter


def data_of(node: Node, run: RunSettings) -> str:
    """Return the --data of a node: its part, dealt anew in every repeat."""
    return f"shard:{node.number}/{node.n_nodes}/{1000 * run.seed + node.repeat}:{run.data}"


def prepare_gan(study: Study, node: Node) -> Prepared:
    """Prepare a node's GAN, which trains for --epochs passes over its part."""
    seed, _, _ = seeds_of(node, study.run.seed)
    run = dataclasses.replace(study.run, data=data_of(node, study.run), seed=seed)
    one = Config(METHOD, METHOD, run, study.hp)
    part = datasets.load(run.data, one.data_options)
    steps = -(-study.flags.epochs * len(part.images) // run.batch)
    run = dataclasses.replace(run, steps=steps)
    return config.prepare(dataclasses.replace(one, run=run), part)


def train_node(study: Study, node: Node, test: Dataset, central: Extractor) -> None:
    """Train a node's GAN and classifiers, and write node.json; nothing if that exists.

    A node that diverges, or whose images the labeller never knows, is recorded as failed: it would
    fail again.

    Args:
      study: Study.
      node: Node.
      test: labelled test images.
      central: the classifier of all training images.
    """
    folder = node.folder(study.root)
    if node.is_done(study.root):
        return
    with run_lock.lock_run(folder):
        prepared = prepare_gan(study, node)
        record: dict[str, Any] = {"n_shard": len(prepared.train.images)}
        try:
            runner.train_run(prepared, folder, f"{node}: ")
            _, *seeds = seeds_of(node, study.run.seed)
            record |= classify.classify(study.flags, prepared, folder, seeds, test, central)
            record["train_s"] = run_outputs.train_seconds(folder)
            # How many nodes these seconds are of.
            record["together"] = 1 if study.flags.members_by == "turns" else node.n_nodes
        except NonFiniteError as error:
            record["failed"] = str(error)
        if "failed" in record:
            print(f"{node}: {record['failed']}", flush=True)
        else:
            print(f"{node}: accuracy {record['accuracy']:.4f}", flush=True)
        runner.write_json(folder / "node.json", record)


def train_gans_together(study: Study, nodes: Sequence[Node]) -> None:
    """Train the GANs of one ensemble as members of one program.

    `train_node` records those that diverge.
    """
    runs = {node: prepare_gan(study, node) for node in nodes}
    # Parts may differ by a few images, and so in length.
    for steps in sorted({one.config.run.steps for one in runs.values()}):
        members = {node: one for node, one in runs.items() if one.config.run.steps == steps}
        folders = [node.folder(study.root) for node in members]
        multi_seed.train_all(list(members.values()), folders, study.flags.members_by)


def command_words(argv: Sequence[str], node: Node) -> list[str]:
    """Return the command line, after python, that trains one node."""
    one_node = f"--node={node.repeat}/{node.n_nodes}/{node.number}"
    return ["-m", "gan_jax", "ensemble", *argv, "--jobs=1", "--slurm=", one_node]


def train_in_processes(study: Study, nodes: Sequence[Node], argv: Sequence[str]) -> None:
    """Train nodes in processes or jobs of a cluster, --jobs at a time; their output is in logs.

    Raises:
      Stopped: a signal came.
    """
    flags, logs = study.flags, study.root / "logs"
    if flags.slurm:
        launch = jobs.cluster(flags.slurm, study.root / "slurm")
    else:
        # Not pinned: a node has the same numbers beside others, alone, and by --node.
        launch = jobs.local(flags.jobs, pinned=False)
    logs.mkdir(exist_ok=True)
    named = {"_".join(map(str, node)): node for node in nodes}
    work = [
        jobs.Job(name, [sys.executable, *command_words(argv, node)], node.folder(study.root))
        for name, node in named.items()
    ]

    def started(job):
        print(f"{named[job.name]}: started", flush=True)

    def ended(job, result):
        line = f"{named[job.name]}: {jobs.status(result.code)}. {result.reason}"
        print(line.rstrip(), flush=True)

    with Signals() as signals:
        jobs.run(work, flags.jobs, launch, logs, signals, started, ended)


def train_nodes(
    study: Study, nodes: Sequence[Node], argv: Sequence[str], train: Dataset, test: Dataset
) -> list[Node]:
    """Train all nodes that are missing, in this process or in others.

    Args:
      study: Study.
      nodes: see `list_nodes`.
      argv: words of this command, for other processes.
      train: all training images.
      test: labelled test images.

    Returns:
      nodes that other processes did not finish.
    """
    # Before any process starts, so that it is trained once.
    central = classify.load_central(study.flags, train, test)
    missing = [node for node in nodes if not node.is_done(study.root)]
    if study.flags.jobs > 1 or study.flags.slurm:
        train_in_processes(study, missing, argv)
        return [node for node in missing if not node.is_done(study.root)]
    for _, of_one in itertools.groupby(missing, lambda node: (node.repeat, node.n_nodes)):
        ensemble = list(of_one)
        if study.flags.members_by != "turns":
            train_gans_together(study, ensemble)
        for node in ensemble:
            train_node(study, node, test, central)
    return []
