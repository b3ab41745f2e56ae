"""S0: GANs that share the data out between nodes, never talk, and vote. Is the vote better than a node, and is time saved?

For each number of nodes V the training images are dealt out in V equal parts with the same share of every class. Each node
trains an MGAN of its own on its part, and a classifier on the part's labels, its labeller; what the labeller says of the MGAN's
images with a confidence of 0.9 or more becomes their label, and the node's own classifier is trained on these images alone. The
V classifiers vote on the test images. Compared are the mean accuracy of the single nodes and that of the vote, over repeats
with other seeds and other parts; and the time of the slowest node (all at once) with the sum (one after another). S0 leaves
most of this open (labels, tie rule, number of images); its text can also be read so that one central classifier labels all
images: then each generator stands for the class that most of its images get, and the share of images of that class is its
purity. S0: Mirabedini et al. 2020, "Image generation and classification via generative adversarial networks"; see D18.

Each node is an ordinary run, WORKDIR/repeat_R/V/node_I, which experiments.sample and evaluate open. Nodes run one after
another, or those of an ensemble as members of one program (--members_by=vmapped, for a GPU), or as processes that share the
file system alone: --jobs=N on this machine, --slurm on a cluster, or by hand --node=R/V/I on any machine, after which the
command without --node makes the tables. The same command goes on where it was
stopped; more nodes or repeats are added to what is there. Writes tables.md, results.json, ensemble.png and report.html.
Flagfiles: ensemble_smoke (seconds), ensemble_mnist6000 (a tenth of MNIST, 5 epochs, narrow nets; 21 minutes on 2 cores),
ensemble_mnist (S0's setting; a GPU). For a sweep over epochs or batch sizes give each value a --workdir of its own.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import pathlib
import sys
import time
from typing import NamedTuple

import numpy as np

from gan_jax.commands import command_line, train
from gan_jax.errors import InputError, NonFiniteError, Stopped
from gan_jax.methods import mgan
from gan_jax.settings import RunSettings, setting

METHOD = "mgan"


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of this study."""

    workdir: str = setting(
        "", "the study folder; default: runs/ and the name of the flagfile or of the study"
    )
    nodes: str = setting("1,2,3,4,5,6", "numbers of nodes to compare, with commas")
    repeats: int = setting(10, "repeats, each with seeds and parts of its own", low=1, high=1000)
    epochs: int = setting(
        100, "passes of every node over its part of the data, in place of --steps", low=1
    )
    n_synthetic: int = setting(
        10_000, "images that each node's generators make for its classifier", low=10
    )
    confidence: float = setting(
        0.9, "images that the labeller is less sure of are dropped", low=0.0, high=1.0
    )
    classifier_steps: int = setting(600, "updates of every classifier, 64 images each", low=1)
    classifier_width: int = setting(
        16, "channels of a classifier's first block; the next two have twice and four times", low=1
    )
    jobs: int = setting(1, "nodes at a time, each a process of its own if more than 1", low=1)
    members_by: str = setting(
        "turns",
        "nodes of an ensemble one after another, or as members of one program",
        choices=train.MEMBERS_BY,
    )
    slurm: str = setting("", "run the nodes as SLURM jobs, --jobs at a time: parameters of submitit with commas, "
                         "timeout_min=600,... (extra: sweep)")  # fmt: skip
    node: str = setting("", "only this node, as REPEAT/V/NODE (from 0, 1 and 1), and no tables")
    dry_run: bool = setting(False, "check everything, list the nodes and stop")


_RUN = RunSettings(data="idx:data/mnist", size=28, batch=32, sample_every=0)
_HP = mgan.Settings(
    net="mgan_mnist", width=64, gen_batch=6, init="normal", lr=2e-4, beta=0.01, ema=0.0
)  # S0's, see D18
GROUPS = (Study(), _RUN, _HP)
FREE = (
    "help",
    "debug",
    "workdir",
    "nodes",
    "repeats",
    "jobs",
    "members_by",
    "slurm",
    "node",
    "dry_run",
)  # change no number
MAX_NODES = 64


class Node(NamedTuple):
    """One node of one ensemble. repeat: from 0. of: how many nodes share the data. number: which of them, from 1."""

    repeat: int
    of: int
    number: int

    def folder(self, root):
        """Its run folder."""
        return root / f"repeat_{self.repeat}" / str(self.of) / f"node_{self.number}"

    def __str__(self):
        return f"repeat {self.repeat}, node {self.number} of {self.of}"


class Setup(NamedTuple):
    """What all nodes share. study: Study. run, hp: Run and mgan.Settings as given. root: Path of the study."""

    study: Study
    run: RunSettings
    hp: mgan.Settings
    root: pathlib.Path


def plan(study):
    """All Nodes that the flags ask for, repeat by repeat, so that what is there after a stop is whole repeats.

    Raises:
      InputError: --nodes or --node cannot be read.
    """
    try:
        if study.node:
            found = Node(*(int(word) for word in study.node.split("/")))
            if found.repeat < 0 or not 1 <= found.number <= found.of <= MAX_NODES:
                raise ValueError
            return [found]
        counts = sorted({int(word) for word in study.nodes.split(",")})
        if counts[0] < 1 or counts[-1] > MAX_NODES:
            raise ValueError
    except (ValueError, TypeError):
        given = f"--node={study.node}" if study.node else f"--nodes={study.nodes}"
        raise InputError(
            f"{given} cannot be read; use numbers from 1 to {MAX_NODES}, as in --nodes=1,3,5 or --node=0/3/1."
        ) from None
    return [Node(r, of, i) for r in range(study.repeats) for of in counts for i in range(1, of + 1)]


def seeds_of(node, seed):
    """(seed of its GAN, of its labeller, of its classifier): of their own for every node of every ensemble."""
    return tuple(int(s) >> 1 for s in np.random.SeedSequence([seed, *node]).generate_state(3))


def data_of(node, run):
    """The --data of a node: its part, dealt anew in every repeat."""
    return f"shard:{node.number}/{node.of}/{1000 * run.seed + node.repeat}:{run.data}"


def prepare(setup, node):
    """config.Prepared of a node's GAN, trained for --epochs passes over its part."""
    from gan_jax import config
    from gan_jax.data import datasets

    seed = seeds_of(node, setup.run.seed)[0]
    run = dataclasses.replace(setup.run, data=data_of(node, setup.run), seed=seed)
    shard = datasets.load(run.data, data_options(run))
    steps = -(-setup.study.epochs * len(shard.images) // run.batch)
    run = dataclasses.replace(run, steps=steps)
    return config.prepare(config.Config(METHOD, METHOD, run, setup.hp), shard)


def data_options(run):
    """How the data of a run are read."""
    from gan_jax.data import datasets

    return datasets.DataOptions(run.size, run.crop, run.labels, run.skip_bad_images)


def recipe(study, seed):
    """features.Settings of every classifier of the study."""
    from gan_jax.metrics import features

    w = study.classifier_width
    return features.Settings(steps=study.classifier_steps, widths=(w, 2 * w, 4 * w), seed=seed)


def make_node(setup, node, heldout, central):
    """Trains a node from wherever its folder stands, and writes node.json last; does nothing where that exists.

    A node that diverges, or whose images the labeller never knows, is written down as failed: it would be again.

    Args:
      heldout: Source of the test images. central: Extractor of the classifier of all training images.
    """
    from gan_jax import cache
    from gan_jax.rundir import log, run_folder

    folder = node.folder(setup.root)
    if (folder / "node.json").exists():
        return
    with run_folder.lock_run(folder):
        prepared = prepare(setup, node)
        source = prepared.train
        record = {"n_shard": len(source.images)}
        try:
            train_gan(prepared, folder, f"{node}: ")
            record |= classify(setup, node, source, heldout, central)
            record["train_s"] = log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]
            record["together"] = (
                1 if setup.study.members_by == "turns" else node.of
            )  # whose seconds these are
        except NonFiniteError as error:
            record["failed"] = str(error)
        said = record["failed"] if "failed" in record else f"accuracy {record['accuracy']:.4f}"
        print(f"{node}: {said}", flush=True)
        cache.write_atomic(
            folder / "node.json", json.dumps(record, indent=1, allow_nan=False) + "\n"
        )


def train_gan(prepared, folder, name):
    """Trains a node's GAN unless it is finished."""
    from gan_jax.rundir import run_folder
    from gan_jax.training import training_loop
    from gan_jax.training.signals import Signals

    if run_folder.prepare_folder(folder, prepared) == run_folder.RunStatus.FINISHED:
        return
    with Signals() as signals:
        with training_loop.Loop(prepared, folder, signals, name) as loop:
            loop.advance(loop.run.steps)
            loop.finish()
        if signals.name:  # at the very end of the run
            raise Stopped(
                f"{name}stopped by {signals.name}; all is saved. The same command goes on."
            )


def train_together(setup, nodes):
    """Trains the GANs of one ensemble's nodes as members of one program; those that diverge are left to `make_node`."""
    from gan_jax.training import multi_seed

    runs = {node: prepare(setup, node) for node in nodes}
    # Parts may differ by a few images, and so in length.
    for steps in sorted({one.config.run.steps for one in runs.values()}):
        alike = {node: one for node, one in runs.items() if one.config.run.steps == steps}
        folders = [node.folder(setup.root) for node in alike]
        multi_seed.train_all(list(alike.values()), folders, setup.study.members_by)


def synthesise(folder, n, seed):
    """(n images uint8 of a finished run, which of its generators made each, how many generators there are)."""
    import jax

    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    trained, key = run_folder.load(folder), jax.random.key(seed)
    made = sampling.build_sampler(trained.method)(trained.state.vars(ema=True), key, n)
    return (
        made,
        sampling.drawn_conditions(trained.method, key, n),
        len(trained.method.conditioning.names),
    )


def classify(setup, node, source, heldout, central):
    """From a node's trained GAN to what it says of the test images, which goes into votes.npz. Returns its record."""
    from gan_jax import cache
    from gan_jax.metrics.features import classifier

    began, (seed, seed_of_labeller, seed_of_voter) = (
        time.perf_counter(),
        seeds_of(node, setup.run.seed),
    )
    folder, n_classes = node.folder(setup.root), len(source.classes)
    made, makers, n_gens = synthesise(folder, setup.study.n_synthetic, seed)
    labeller = classifier.fit(source, recipe(setup.study, seed_of_labeller))
    _, probs = labeller(made)
    labels = np.where(probs.max(1) >= setup.study.confidence, probs.argmax(1), -1).astype(np.int32)
    seen = central.apply(made)[1].argmax(1)
    record = {
        "labeller_accuracy": float(
            (labeller(heldout.images)[1].argmax(1) == heldout.labels).mean()
        ),
        "kept": [int((labels == i).sum()) for i in range(n_classes)],  # images by label
        # Generators by what the central classifier says of their images.
        "generators": np.bincount(makers * n_classes + seen, minlength=n_gens * n_classes)
        .reshape(n_gens, -1)
        .tolist(),
    }
    if (labels < 0).all():
        sure = f"{len(made)} images with a confidence of {setup.study.confidence:g}"
        return record | {
            "failed": f"its labeller knows none of {sure}; train longer, or lower --confidence"
        }
    voter = classifier.fit(
        source._replace(images=made, labels=labels), recipe(setup.study, seed_of_voter)
    )
    _, votes = voter(heldout.images)
    packed = io.BytesIO()
    np.savez(packed, probs=votes)
    cache.write_atomic(folder / "votes.npz", packed.getvalue())
    accuracy = float((votes.argmax(1) == heldout.labels).mean())
    return record | {"accuracy": accuracy, "classify_s": round(time.perf_counter() - began, 3)}


def keep_settings(setup, source):
    """Keeps the settings in study.json, so that a study that goes on is the same one. source: the whole training Source."""
    from gan_jax import config
    from gan_jax.studies import study_settings

    flags = {
        name: value for name, value in dataclasses.asdict(setup.study).items() if name not in FREE
    }
    study_settings.keep(
        setup.root,
        {METHOD: config.prepare(config.Config(METHOD, METHOD, setup.run, setup.hp), source)},
        flags,
    )


def open_data(setup, nodes):
    """(training Source, Source of its labelled test images), after everything that can be refused was looked at.

    Raises:
      InputError
    """
    import jax

    from gan_jax import config
    from gan_jax.data import datasets

    run = setup.run
    if run.steps != _RUN.steps or run.eval_every or run.tensorboard:
        raise InputError(
            "--steps, --eval_every and --tensorboard are not for this study; use --epochs for the length."
        )
    config.validate_settings(run, setup.hp, len(jax.devices()))
    source = datasets.load(run.data, data_options(run))
    config.prepare(config.Config(METHOD, METHOD, run, setup.hp), source)
    if source.labels is None or len(np.unique(source.labels[source.labels >= 0])) < 2:
        raise InputError(
            f"--data={source.name} has no two classes, so there is nothing to vote on; use labelled images."
        )
    most = max(node.of for node in nodes)
    least = np.unique(source.labels[source.labels >= 0], return_counts=True)[1].min()
    if least < most:
        raise InputError(
            f"--data={source.name} has a class of {least} images, too few for {most} nodes; use fewer nodes."
        )
    heldout = datasets.load_heldout(source, data_options(run))
    if heldout is None or heldout.labels is None or (heldout.labels < 0).all():
        raise InputError(
            f"--data={source.name} has no labelled test images to vote on; use data with a test split."
        )
    rows = heldout.labels >= 0
    return source, heldout._replace(images=heldout.images[rows], labels=heldout.labels[rows])


def central_classifier(setup, source, heldout):
    """Extractor of the classifier of all training images; trained once and cached."""
    from gan_jax.metrics import features

    return features.load(source, heldout, "classifier", recipe(setup.study, 0))


def words_of(argv, node):
    """The command line, after python, that makes one node."""
    return [
        "-m",
        "experiments.ensemble",
        *argv,
        "--jobs=1",
        "--slurm=",
        f"--node={node.repeat}/{node.of}/{node.number}",
    ]


def in_processes(setup, nodes, argv):
    """Makes nodes as processes or jobs of a cluster, --jobs at a time; what each says is in logs. Raises Stopped."""
    from gan_jax.studies import jobs
    from gan_jax.training.signals import Signals

    study, logs = setup.study, setup.root / "logs"
    # Not pinned: a node has the same numbers beside others, alone, and made by hand.
    launch = (
        jobs.cluster(study.slurm, setup.root / "slurm")
        if study.slurm
        else jobs.local(study.jobs, pinned=False)
    )
    logs.mkdir(exist_ok=True)
    work = [
        jobs.Job(
            "_".join(map(str, node)),
            [sys.executable, *words_of(argv, node)],
            node.folder(setup.root),
        )
        for node in nodes
    ]
    names = {job.name: str(node) for job, node in zip(work, nodes, strict=True)}

    def ended(job, end):
        print(f"{names[job.name]}: {jobs.status(end.code)}. {end.reason}".rstrip(), flush=True)

    with Signals() as signals:
        began = lambda job: print(f"{names[job.name]}: started", flush=True)
        jobs.run(work, study.jobs, launch, logs, signals, began, ended)


def make_nodes(setup, nodes, argv, source, heldout):
    """Makes all nodes that are missing, in this process or in others. Returns in words what other processes left undone."""
    central = central_classifier(
        setup, source, heldout
    )  # before the processes, so that it is trained once
    missing = [node for node in nodes if not (node.folder(setup.root) / "node.json").exists()]
    if setup.study.jobs == 1 and not setup.study.slurm:
        for _, nodes_of_one in itertools.groupby(missing, lambda node: (node.repeat, node.of)):
            ensemble = list(nodes_of_one)
            if setup.study.members_by != "turns":
                train_together(setup, ensemble)
            for node in ensemble:
                make_node(setup, node, heldout, central)
        return ""
    in_processes(setup, missing, argv)
    undone = [node for node in missing if not (node.folder(setup.root) / "node.json").exists()]
    where = setup.root / "logs"
    return (
        f"not finished: {'; '.join(map(str, undone))} (why: {where}). The same command goes on."
        if undone
        else ""
    )


def run(argv):
    """Command line to tables and page."""
    from gan_jax.data import datasets
    from gan_jax.rundir import run_folder
    from gan_jax.training import multi_seed

    (study, base, hp), values = command_line.parse(__doc__, "experiments.ensemble", GROUPS, argv)
    study = dataclasses.replace(
        study, members_by=multi_seed.choose_execution(study.members_by, base)
    )
    base = dataclasses.replace(base, data=datasets.absolute_spec(base.data))
    setup = Setup(study, base, hp, command_line.workdir_of(study.workdir, values, "ensemble"))
    if study.members_by != "turns" and (study.jobs > 1 or study.slurm or study.node):
        raise InputError(
            f"--members_by={study.members_by} is one process for an ensemble; leave out --jobs, --slurm and --node."
        )
    if study.slurm:
        command_line.need("submitit", "--slurm", "sweep")
    nodes = plan(study)
    source, heldout = open_data(setup, nodes)
    if study.dry_run:
        print(f"Dry run: nothing was written. {len(nodes)} nodes:", *nodes, sep="\n")
        return
    # A single node shares the folder with others that are made at the same time.
    with contextlib.nullcontext() if study.node else run_folder.lock_run(setup.root):
        keep_settings(setup, source)
        undone = make_nodes(setup, nodes, argv, source, heldout)
        if not study.node:
            write(setup, heldout)
        if undone:
            raise Stopped(undone)


def write(setup, heldout):
    """Prints the tables and writes all that the study leaves, from every node in the folder that is finished."""
    from gan_jax import cache
    from gan_jax.studies.ensemble import page
    from gan_jax.studies.ensemble import results as ensemble

    results = ensemble.collect(setup.root, heldout.labels, heldout.classes)
    results["protocol"] = protocol(setup, heldout)
    cache.write_atomic(
        setup.root / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n"
    )
    parts = [
        *ensemble.tables(results),
        "\n".join(f"- {line}" for line in ensemble.verdicts(results)),
        results["protocol"],
    ]
    cache.write_atomic(setup.root / "tables.md", "\n\n".join(parts) + "\n")
    page.draw(results, setup.root / "ensemble.png")
    cache.write_atomic(setup.root / "report.html", page.document(results, setup.root))
    print("\n\n".join(parts))
    print(f"Written: tables.md, results.json, ensemble.png, report.html in {setup.root}")


def protocol(setup, heldout):
    """One paragraph: what was trained on what, for how long, and how it was timed."""
    import jax

    study, run, hp = setup.study, setup.run, setup.hp
    how = (
        "by SLURM" if study.slurm else f"{study.jobs} node{'s' if study.jobs > 1 else ''} at a time"
    )
    how = (
        how
        if study.members_by == "turns"
        else f"the nodes of an ensemble in one program ({study.members_by})"
    )
    return (
        f"Data {run.data}, {run.size} px; epochs {study.epochs}, batch {run.batch}, --net={hp.net} of width {hp.width}, "
        f"{hp.n_gens} generators, Adam {hp.lr:g} (beta1 {hp.beta1:g}), beta {hp.beta:g}. Of each node's {study.n_synthetic:,} "
        f"images those that its labeller is sure of to {study.confidence:g}; classifiers of width {study.classifier_width}, "
        f"{study.classifier_steps} updates. {len(heldout.labels):,} test images. Times are of the GANs' training without "
        f"compilation, on {jax.devices()[0].device_kind}, {how}."
    )
