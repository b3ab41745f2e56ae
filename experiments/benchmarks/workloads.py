"""The workloads: which training programs are timed, and at which size.

Settings are those of the training commands and of their flagfiles.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.core.method import Method
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.methods.settings import BaseSettings


class Workload(NamedTuple):
    """Training steps of a method on random images, unless `kind` says otherwise."""

    method: str  # key of methods.TABLE
    options: dict[str, Any]  # {setting: value} where it is not the method's default
    size: int  # side of the images in pixels
    colors: int  # channels of the images
    batch: int  # images per minibatch
    n_classes: int = 0  # 0: images have no labels
    kind: str = "training"  # "classifier": its training; "sampling": from the generator
    gpu: bool = False  # has a paper's size, for a GPU
    dispatch: int = 1  # steps in one compiled call of ours
    twin: bool = True  # torch_steps has the same training

    @property
    def hp(self) -> BaseSettings:
        return methods.TABLE[self.method].Settings(**self.options)

    @property
    def data_spec(self) -> base.DataSpec:
        classes = tuple(f"class {i}" for i in range(self.n_classes))
        return base.DataSpec(self.size, self.colors, classes)

    @property
    def convolves(self) -> bool:
        """Whether the nets have convolutions."""
        return self.kind != "training" or self.hp.net not in ("keras", "mlp")

    def build(self, steps: int = 1000) -> Method:
        """Build the method for a run of some length."""
        return methods.TABLE[self.method].build(self.hp, self.data_spec, steps)

    def batch_shapes(self, n: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Return the shapes and dtypes of n minibatches."""
        image = n, self.batch, self.size, self.size, self.colors
        shapes = {"image": jax.ShapeDtypeStruct(image, np.float32)}
        if self.n_classes:
            shapes["label"] = jax.ShapeDtypeStruct((n, self.batch), np.int32)
        return shapes

    def small(self) -> "Workload":
        """Return the same with thin nets and few images, for comparing values."""
        few = {"gen_batch": 3} if "gen_batch" in self.options else {}
        return self._replace(options=self.options | {"width": 8} | few, batch=4)


def _of(
    name,
    size,
    colors,
    batch,
    n_classes=0,
    kind="training",
    gpu=False,
    dispatch=1,
    twin=True,
    **options,
):
    """Make the Workload of a training command; options: settings that are not its defaults."""
    method, defaults, _ = presets.TABLE[name]
    fields = {f.name for f in dataclasses.fields(methods.TABLE[method].Settings)}
    options = {k: v for k, v in defaults.items() if k in fields} | options
    return Workload(method, options, size, colors, batch, n_classes, kind, gpu, dispatch, twin)


MGAN_MNIST = {"net": "mgan_mnist", "width": 64, "n_gens": 10, "gen_batch": 6}
PAPER = {"gpu": True, "dispatch": 20}
WGAN_GP_CIFAR10 = {"width": 128, "gen_norm": "batch", "pixels": "tanh"}
R3GAN_QUICK = {"width": 16, "augment": "flip,rotation"}
R3GAN_CIFAR10 = {"width": 768, "condition": "labels"}
TABLE = {
    "mlp": _of("gan", 28, 1, 64, dispatch=20),
    "mlp_small": _of("gan", 28, 1, 64, dispatch=20, net="mlp", width=128, depth=3),
    "dcgan_mnist": _of("dcgan", 28, 1, 64, net="s2", width=64),
    "dcgan_64_b16": _of("dcgan", 64, 3, 16, width=64),
    "dcgan_64": _of("dcgan", 64, 3, 64, width=64),
    "dragan_28": _of("dragan", 28, 1, 64, net="dcgan", width=64),
    "wgan_gp_28": _of("wgan_gp", 28, 1, 50, width=64),
    "mgan_mnist": _of("mgan", 28, 1, 32, **MGAN_MNIST),
    "morpho_32": _of("morpho", 32, 3, 32, width=16),
    "morpho_64": _of("morpho", 64, 3, 32, width=16),
    "r3gan_32": _of("r3gan", 32, 3, 32, twin=False, **R3GAN_QUICK),
    "acgan_fashion": _of("acgan", 28, 1, 100, n_classes=10),
    "classifier": _of("dcgan", 28, 1, 64, n_classes=10, kind="classifier"),
    "sampling": _of("dcgan", 28, 1, 64, kind="sampling", net="s2", width=64),
    # The papers' sizes.
    "dcgan_original64": _of("dcgan", 64, 3, 128, **PAPER, width=128),
    "dcgan_galaxyzoo128": _of("dcgan", 128, 3, 64, **PAPER, width=128, beta2=0.9),
    "morpho_galaxyzoo128": _of("morpho", 128, 3, 64, **PAPER, width=128, wide_enc=True),
    "mgan_cifar10": _of("mgan", 32, 3, 64, **PAPER),
    "wgan_gp_cifar10": _of("wgan_gp", 32, 3, 64, **PAPER, **WGAN_GP_CIFAR10),
    "r3gan_cifar10": _of("r3gan", 32, 3, 512, 10, gpu=True, twin=False, **R3GAN_CIFAR10),
}


def select(names: str, fits: Callable[[Workload], bool] = lambda w: True) -> dict[str, Workload]:
    """Return the workloads that --workloads names, by comma.

    "" is all that fit; on a CPU the papers' sizes do not. Raises InputError.
    """
    gpu = jax.default_backend() == "gpu"
    fitting = [name for name, w in TABLE.items() if (gpu or not w.gpu) and fits(w)]
    selected = names.split(",") if names else fitting
    for name in selected:
        if name not in fitting:
            problem = "is not known"
            if name in TABLE:
                here = fits(TABLE[name])
                problem = "has a paper's size, for a GPU" if here else "is not known here"
            known = ", ".join(fitting)
            raise InputError(f"--workloads={name} {problem}; use some of: {known}.")
    return {name: TABLE[name] for name in selected}
