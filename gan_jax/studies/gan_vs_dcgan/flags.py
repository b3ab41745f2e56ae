"""Flags of the study of GAN against DCGAN."""

import dataclasses

from gan_jax.data.reading_flags import ReadingFlags
from gan_jax.settings import MAX_STEPS, setting, size_setting
from gan_jax.studies.runner import StudyFlags

S2_STEPS = {"gan": 30_000, "dcgan": 28_020}


def _length(system: str, text: str):
    """Declare the length of a system, which S2 gives; text: its name and unit."""
    text = f"length of the {text}; the default is S2's"
    return setting(S2_STEPS[system], text, low=1, high=MAX_STEPS)


@dataclasses.dataclass(frozen=True)
class Flags(StudyFlags, ReadingFlags):
    """Flags of this study."""

    data: str = setting("idx:data/mnist", "labelled images, any source of a training command")
    size: int | str = size_setting(28, "side of the images, in pixels")
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    seed: int = setting(0, "the first seed", low=0, high=2**31 - 1)
    gan_steps: int = _length("gan", "GAN, in iterations")
    gan_batch: int = setting(32, "images in a minibatch of the GAN", low=2)
    gan_width: int = setting(256, "units of the GAN's narrowest layers", low=1)
    dcgan_steps: int = _length("dcgan", "DCGAN, in batches")
    dcgan_batch: int = setting(128, "images in a minibatch of the DCGAN", low=2)
    dcgan_width: int = setting(
        64,
        "maps of the DCGAN's layers next to the image; the deeper ones have twice as many",
        low=1,
    )
    dcgan_net: str = setting(
        "s2",
        "activations of S2's tables, norms of its text; or one of them alone",
        choices=("s2", "s2_literal", "s2_prose"),
    )
    lr: float = setting(2e-4, "Adam's learning rate in both systems; S2 gives none", above=0.0)
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    pace_steps: int = setting(20, "steps in a turn when the pace is measured", low=1)
    evals: int = setting(
        10, "scores over each run, evenly; divisors of 150 and 60 end with it", low=1
    )
    eval_images: int = setting(2000, "generated images for each of them", low=100)
    n_images: int = setting(10_000, "generated images for the scores at the end", low=100)
    devices: int = setting(0, "devices that share each minibatch; 0: all", low=0)
    dry_run: bool = setting(False, "check everything, print the settings of both systems and stop")


GROUPS = (Flags(),)
