"""Flags of the study of mode collapse."""

import dataclasses

from gan_jax.settings import RunSettings, setting
from gan_jax.studies.runner import StudyFlags


@dataclasses.dataclass(frozen=True)
class Flags(StudyFlags):
    """Flags of the study itself."""

    systems: str = setting(
        "gan,gan_d5,gan_balance,dragan,distgan,morpho,mgan,multi_gen", "systems, with commas"
    )
    against: str = setting("gan", "the system that all others are compared with")
    disc_sizes: str = setting(
        "", "widths of D in units of G's, with commas, each for all systems; empty: as wide as G"
    )
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    equal_time: bool = setting(
        True,
        "compare after equal wall time, too: faster systems have further runs, as long as the "
        "slowest one's, which is most of the work. They may be added later",
    )
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    n_images: int = setting(5000, "generated images or points that are scored, per run", low=100)
    curve: int = setting(
        20, "times that every run is scored while it trains, by --eval_images each; 0: never", low=0
    )
    pace_steps: int = setting(10, "steps per turn while the time of a step is measured", low=1)
    dry_run: bool = setting(False, "check everything, name the systems and stop")


@dataclasses.dataclass(frozen=True)
class SharedSettings:
    """Settings that all systems have in common on images, besides the data and the batch."""

    net: str = setting(
        "dcgan",
        "nets of all systems but those that are defined by theirs",
        choices=("dcgan", "s2", "veegan", "unrolled"),
    )
    width: int = setting(
        16, "channels next to the image; deeper layers have multiples of it", low=1
    )
    lr: float = setting(1e-3, "Adam's learning rate", above=0.0)
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(0.9, "Adam's decay of the squared gradient", low=0.0, high=0.999999)
    ema: float = setting(
        0.995, "decay of the averaged generator that is scored; 0: none", low=0.0, high=0.999999
    )
    sample_stats: str = setting(
        "batch", "BatchNorm statistics when sampling", choices=("batch", "running")
    )
    n_gens: int = setting(10, "generators of mgan and multi_gen", low=1)
    gen_batch: int = setting(6, "images per generator and step of mgan and multi_gen", low=1)
    beta: float = setting(
        0.1, "weight of the diversity term in the loss of mgan's generators", low=0.0
    )


RUN = RunSettings(size=32, batch=32, steps=1000)
GROUPS = (Flags(), RUN, SharedSettings())  # all flags
