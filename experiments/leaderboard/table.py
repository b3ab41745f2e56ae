"""The table of what README and its pages quote: its commands, and where its numbers stand."""

import math
from typing import NamedTuple

RUN = "RUN"  # in commands: the folder of the measurement
README, CHOOSING = "README.md", "docs/choosing-a-method.md"
S0, S1 = "docs/results/s0.md", "docs/results/s1.md"
STACKS = "docs/stacked-mnist.md"


class Number(NamedTuple):
    """A number of a measurement, and where it is quoted."""

    key: str  # its name in the record
    path: str  # where it is in the result: keys with slashes; of a list the mean over seeds
    form: str  # how it is quoted: a format of value and spread
    quotes: tuple[tuple[str, str], ...] = ()  # (page, what else its line contains)
    scale: float = 1.0  # of what is quoted
    limits: tuple[float, float] = (-math.inf, math.inf)  # of a list of seeds, before scaling


class Measurement(NamedTuple):
    """What one row of the table takes."""

    commands: tuple[str, ...]  # words after gan-jax, in order; each goes on where it was stopped
    result: str  # JSON file in the folder that has the numbers
    minutes: float  # on two cores, about
    numbers: tuple[Number, ...]
    seeds: int = 1  # of training
    data: str = ""  # folder below the root of all data that it needs, such as mnist


def frechet(*quotes: tuple[str, str], form: str = "{value:.1f}") -> Number:
    """Return the Frechet distance of a scored run."""
    return Number("frechet", "rows/model/frechet", form, quotes)


def scored(command: str, name: str, minutes: float, data: str, *numbers: Number) -> Measurement:
    """Return a measurement that trains a flagfile and scores it once with 10,000 images."""
    words = f"train {command} --flagfile={name} --workdir={RUN}"
    commands = (words, f"evaluate {RUN} --repeats=1")
    return Measurement(commands, "eval.json", minutes, numbers, data=data)


def share(key: str, path: str, page: str, row: str, form: str = "{value:.1f}") -> Number:
    """Return a share of test images, in percent, of several seeds, and the row that quotes it."""
    return Number(key, path, form, ((page, row),), 100, (0.0, 1.0))


def training_sets(
    measure: str, shares: tuple[int, ...], rows: dict[str, str]
) -> tuple[Number, ...]:
    """Return a score of classifiers for every training set and share of the labels.

    Args:
      measure: "accuracy" or "recall".
      shares: V of every share 1 / V.
      rows: {key of the training set: beginning of its row in the page}.
    """
    return tuple(
        share(f"{arm}, 1 of {v}", f"shares/{v}/arms/{arm}/{measure}", S1, row)
        for arm, row in rows.items()
        for v in shares
    )


def nodes(n: int, row: str) -> tuple[Number, ...]:
    """Return the accuracies of n nodes, alone and by their vote."""
    form = "{value:.1f} ± {spread:.1f}"
    kinds = ("single",) if n == 1 else ("single", "voted")
    return tuple(share(f"{n}, {kind}", f"counts/{n}/{kind}", S0, row, form) for kind in kinds)


def modes(systems: dict[str, str]) -> tuple[Number, ...]:
    """Return the modes of systems with each size of D. systems: {name: beginning of its row}."""
    return tuple(
        Number(
            f"{system}, D {size}",
            f"tables/updates/{system}@{size}/modes",
            "{value:.0f} ± {spread:.0f}",
            ((STACKS, row),),
            limits=(0, 1000),
        )
        for system, row in systems.items()
        for size in ("0.25", "0.5", "1")
    )


def quoted(command: str, name: str) -> tuple[str, str]:
    """Return where README quotes a flagfile."""
    return README, f"`train {command} --flagfile={name}`"


GALAXIES = "evaluate RUN --n_images=2000 --repeats=3"
TABLE = {
    "morpho_quick": Measurement(
        ("train morpho --flagfile=morpho_quick --workdir=RUN", GALAXIES),
        "eval.json",
        6,
        (
            frechet(quoted("morpho", "morpho_quick"), form="{value:.2f} ± {spread:.2f}"),
            Number(
                "untrained",
                "rows/untrained/frechet",
                "untrained {value:.1f}",
                (quoted("morpho", "morpho_quick"),),
            ),
            Number(
                "floor",
                "rows/real/frechet",
                "{value:.3f} for the galaxies",
                ((README, "for MNIST and"),),
            ),
        ),
    ),
    "rare_quick": Measurement(
        ("train rare --flagfile=rare_quick --workdir=RUN", GALAXIES),
        "eval.json",
        6,
        (frechet(quoted("rare", "rare_quick"), form="{value:.2f} ± {spread:.2f}"),),
    ),
    "gan_quick": scored(
        "gan",
        "gan_quick",
        16,
        "mnist",
        frechet(quoted("gan", "gan_quick"), (CHOOSING, "| `gan_quick`")),
    ),
    "dcgan_mnist_quick": scored(
        "dcgan",
        "dcgan_mnist_quick",
        17,
        "mnist",
        frechet(quoted("dcgan", "dcgan_mnist_quick"), (CHOOSING, "| `dcgan_mnist_quick`")),
        Number(
            "untrained",
            "rows/untrained/frechet",
            "untrained {value:.0f}",
            (quoted("dcgan", "dcgan_mnist_quick"),),
        ),
        Number(
            "floor", "rows/real/frechet", "{value:.2f} for MNIST", ((README, "for the galaxies"),)
        ),
    ),
    "cgan_quick": scored(
        "cgan",
        "cgan_quick",
        13,
        "mnist",
        frechet(quoted("cgan", "cgan_quick"), (CHOOSING, "| `cgan_quick`"), form="{value:.2f}"),
        Number(
            "intended",
            "intended/intended",
            "{value:.1f} % in the intended class",
            (quoted("cgan", "cgan_quick"),),
            scale=100,
        ),
    ),
    "mgan_quick": scored(
        "mgan",
        "mgan_quick",
        17,
        "mnist",
        frechet(quoted("mgan", "mgan_quick"), (CHOOSING, "| `mgan_quick` | MNIST")),
    ),
    "wgan_gp_quick": scored(
        "wgan_gp",
        "wgan_gp_quick",
        12,
        "mnist",
        frechet(quoted("wgan_gp", "wgan_gp_quick"), (CHOOSING, "| `wgan_gp_quick`")),
    ),
    "infogan_quick": scored(
        "infogan",
        "infogan_quick",
        7,
        "mnist",
        frechet(quoted("infogan", "infogan_quick"), (CHOOSING, "| `infogan_quick`")),
    ),
    "colorize_quick": scored(
        "colorize",
        "colorize_quick",
        7,
        "cifar10",
        frechet(
            quoted("colorize", "colorize_quick"),
            (CHOOSING, "| `colorize_quick`"),
            form="{value:.2f}",
        ),
        Number(
            "psnr",
            "pairs/rows/made/psnr",
            "peak signal-to-noise ratio {value:.1f} dB",
            (quoted("colorize", "colorize_quick"),),
        ),
        Number(
            "floor", "rows/real/frechet", "{value:.3f} for CIFAR-10", ((README, "for MNIST and"),)
        ),
    ),
    "augment_cigar": Measurement(
        ("augment --flagfile=augment_cigar --workdir=RUN",),
        "results.json",
        15,
        training_sets(
            "recall",
            (10, 50),
            {
                "real": "| real only | ",
                "ordinary": "| ordinary augmentation (turn, mirror)",
                "copies": "| copies |",
                "filled": "| synthetic |",
                "ordinary_copies": "| copies, ordinary |",
                "ordinary_filled": "| synthetic, ordinary |",
            },
        ),
        seeds=8,
    ),
    "augment_fashion": Measurement(
        ("augment --flagfile=augment_fashion --workdir=RUN",),
        "results.json",
        20,
        training_sets(
            "accuracy",
            (1, 10, 100),
            {
                "real": "| real only | ",
                "synthetic_0.5": "| real + 0.5 synthetic",
                "synthetic_1": "| real + 1 |",
                "synthetic_2": "| real + 2 |",
                "synthetic": "| synthetic only |",
                "ordinary": "| ordinary augmentation (shift",
                "ordinary_1": "| ordinary + 1 synthetic",
            },
        ),
        seeds=5,
        data="fashion_mnist",
    ),
    "ensemble_mnist6000": Measurement(
        ("ensemble --flagfile=ensemble_mnist6000 --repeats=10 --workdir=RUN",),
        "results.json",
        60,
        (*nodes(1, "| 1 | 6,000 |"), *nodes(3, "| 3 | 2,000 |"), *nodes(5, "| 5 | 1,200 |")),
        seeds=10,
        data="mnist",
    ),
    "stacked_mnist_quick": Measurement(
        ("stacked_mnist --flagfile=stacked_mnist_quick --workdir=RUN",),
        "results.json",
        120,
        modes(
            {
                "gan": "| GAN |",
                "pac2": "| PacGAN of 2 |",
                "pac4": "| PacGAN of 4 |",
                "mgan": "| MGAN |",
                "wgan_gp": "| WGAN-GP |",
                "pair": "| pair loss, R1 + R2 |",
            }
        ),
        seeds=3,
        data="mnist",
    ),
}
