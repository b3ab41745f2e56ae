"""The workloads: what is timed, at which size. Settings are those of the experiments' commands and flagfiles."""

import dataclasses
from typing import NamedTuple

from gan_jax import methods, presets
from gan_jax.errors import InputError
from gan_jax.methods import base


class Spec(NamedTuple):
    """One workload: training steps of a method, unless `kind` says otherwise.

    method: key of methods.TABLE. options: {setting: value} where they differ from the method's. size: side of the images in
    pixels. colors: their channels. batch: images per minibatch. n_classes: 0 where images have no labels. kind: "training",
    "classifier" (its training) or "sampling" (of the method's generator). gpu: whether it is meant for a GPU alone.
    dispatch: steps in one compiled call of ours, as the workload's flagfile or a run's default on that device has it.
    """

    method: str
    options: dict
    size: int
    colors: int
    batch: int
    n_classes: int = 0
    kind: str = "training"
    gpu: bool = False
    dispatch: int = 1

    @property
    def hp(self):
        """The method's Settings."""
        return methods.TABLE[self.method].Settings(**self.options)

    @property
    def shape(self):
        """base.DataSpec of the images."""
        return base.DataSpec(
            self.size, self.colors, tuple(f"class {i}" for i in range(self.n_classes))
        )

    @property
    def convolves(self):
        """Whether its nets have convolutions."""
        return self.kind != "training" or self.hp.net not in ("keras", "mlp")

    def small(self, width=8, batch=4):
        """The same, thin and with few images, for comparing values."""
        more = {"width": width} | ({"gen_batch": 3} if "gen_batch" in self.options else {})
        return self._replace(options=self.options | more, batch=batch)


def _of(name, size, colors, batch, n_classes=0, kind="training", gpu=False, dispatch=1, **options):
    preset = presets.TABLE[name]
    names = {f.name for f in dataclasses.fields(methods.TABLE[preset.method].Settings)}
    settings = {k: v for k, v in preset.defaults.items() if k in names}
    return Spec(
        preset.method, settings | options, size, colors, batch, n_classes, kind, gpu, dispatch
    )


MGAN_MNIST = {"net": "mgan_mnist", "width": 64, "n_gens": 10, "gen_batch": 6}
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
    "acgan_fashion": _of("acgan", 28, 1, 100, n_classes=10),
    "classifier": _of("dcgan", 28, 1, 64, n_classes=10, kind="classifier"),
    "sampling": _of("dcgan", 28, 1, 64, kind="sampling", net="s2", width=64),
    # The papers' sizes.
    "dcgan_original64": _of("dcgan", 64, 3, 128, gpu=True, dispatch=20, width=128),
    "dcgan_galaxyzoo128": _of("dcgan", 128, 3, 64, gpu=True, dispatch=20, width=128, beta2=0.9),
    "morpho_galaxyzoo128": _of(
        "morpho", 128, 3, 64, gpu=True, dispatch=20, width=128, wide_enc=True
    ),
    "mgan_cifar10": _of("mgan", 32, 3, 64, gpu=True, dispatch=20),
    "wgan_gp_cifar10": _of(
        "wgan_gp", 32, 3, 64, gpu=True, dispatch=20, width=128, gen_norm="batch", pixels="tanh"
    ),
}


def chosen(given, gpu, fits=lambda spec: True):
    """{name: Spec} of those that are asked for, or of all that fit.

    Args:
      given: names, by comma; "" for all. gpu: whether the device is one. fits: Spec -> whether it is for the command that asks.

    Raises:
      InputError: there is no such workload, or not here.
    """
    fit = [name for name, spec in TABLE.items() if (gpu or not spec.gpu) and fits(spec)]
    names = given.split(",") if given else fit
    for name in names:
        if name not in fit:
            known = name in TABLE and fits(TABLE[name])
            what = (
                "has a paper's size, for a GPU"
                if known
                else "is not known here"
                if name in TABLE
                else "is not known"
            )
            raise InputError(f"--workloads={name} {what}; use some of: {', '.join(fit)}.")
    return {name: TABLE[name] for name in names}
