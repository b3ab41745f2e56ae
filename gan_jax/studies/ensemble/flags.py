"""Flags of the study of voting, and what all its parts share."""

import dataclasses
import pathlib
from typing import NamedTuple

from gan_jax.commands.training_flags import MEMBERS_BY
from gan_jax.methods import mgan
from gan_jax.settings import RunSettings, setting
from gan_jax.studies.runner import StudyFlags


@dataclasses.dataclass(frozen=True)
class Flags(StudyFlags):
    """Flags of the study itself."""

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
        choices=MEMBERS_BY,
    )
    slurm: str = setting(
        "",
        "run the nodes as SLURM jobs, --jobs at a time: parameters of submitit with commas, "
        "timeout_min=600,... (extra: sweep)",
    )
    node: str = setting("", "only this node, as REPEAT/V/NODE (from 0, 1 and 1), and no tables")
    dry_run: bool = setting(False, "check everything, list the nodes and stop")


RUN = RunSettings(data="idx:data/mnist", size=28, batch=32, sample_every=0)
# S0's, see D18.
HP = mgan.Settings(
    net="mgan_mnist", width=64, gen_batch=6, init="normal", lr=2e-4, beta=0.01, ema=0.0
)
GROUPS = (Flags(), RUN, HP)
# These change no number, so a study may go on with other values.
FREE = (
    "help",
    "debug",
    "trust",
    "workdir",
    "nodes",
    "repeats",
    "jobs",
    "members_by",
    "slurm",
    "node",
    "dry_run",
)


class Study(NamedTuple):
    """What all nodes share."""

    flags: Flags
    run: RunSettings
    hp: mgan.Settings
    root: pathlib.Path
