"""Perceptrons, for images and for points (images of one pixel, whose channels are coordinates).

PLAIN   ReLU layers of equal width: DRAGAN's notebook (depth 1), Dist-GAN's toys (depth 3 and 1),
        MGAN's toy.
KERAS   S2's "GAN", as in the public script that S2's numbers of iterations point to: widths 256,
        512, 1024.
MAXOUT  Goodfellow et al. 2014: a ReLU generator against two maxout layers with dropout.
CGAN    Mirza and Osindero 2014: the same, where both nets also read a condition.
ALI     PacGAN's experiments on points (Lin et al. 2018), with nets by the authors of ALI (Dumoulin
        et al. 2017): four ReLU layers with BatchNorm against three maxout layers.

None has a norm in D, so `disc_norm` has no effect here. MAXOUT and CGAN have the initialisers of
their sources, so `init` has no effect on them.
"""

import dataclasses
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import (
    Discriminator,
    Family,
    Generator,
    Net,
    TrunkDiscriminator,
    TrunkEncoder,
    generator_fields,
)
from gan_jax.nets.outputs import squash


def _to_images(net, x, train, name=None):
    """Map the last hidden layer [B, F] of a Generator to its images."""
    x = layers.Dense(math.prod(net.hw) * net.colors, weights=net.weights, name=name)(x, train)
    return squash(x, net.pixels).reshape(-1, *net.hw, net.colors)


class Gen(Generator):
    """Generator of plain hidden layers.

    With n_gens it is a mixture whose first hidden layers are private, see dcgan.Gen.
    """

    widths: tuple[int, ...]  # units of the hidden layers, from the noise on
    act: Callable = nn.relu
    # A BatchNorm in every hidden layer: "after" its activation, Keras' order; or "before" it, where
    # the layer has no bias of its own. "": none.
    norm: str = ""
    momentum: float = 0.8  # of its running averages
    n_gens: int = 0  # generators of a mixture; 0: one generator

    @nn.compact
    def __call__(self, z, cond=None, which=None, *, train):
        def hidden(net, x, i):
            use_bias = self.norm != "before"
            dense = layers.Dense(self.widths[i], use_bias, self.weights, name=f"hidden_{i}")
            x = dense(x, train)
            if not self.norm:
                return self.act(x)
            norm = layers.batch_norm(net, train, cond, self.momentum, name=f"norm_{i}")
            return norm(self.act(x)) if use_bias else self.act(norm(x))

        def stem(net, z):
            return hidden(net, z, 0)

        x = layers.mixture(stem, self, self.n_gens, z, which) if self.n_gens else stem(self, z)
        for i in range(1, len(self.widths)):
            x = hidden(self, x, i)
        return _to_images(self, x, train, name="out")


class _Trunk(Net):
    """Fields of the nets that see images, and their hidden layers."""

    widths: tuple[int, ...]  # units of the hidden layers, from the image on
    act: Callable = nn.relu

    def trunk(self, x, train):
        """Apply the hidden layers to images: -> [B, widths[-1]]."""
        x = layers.flatten(x)
        for width in self.widths:
            x = self.act(layers.Dense(width, weights=self.weights)(x, train))
        return x


class Disc(_Trunk, TrunkDiscriminator):
    """Discriminator of plain hidden layers."""


class Enc(_Trunk, TrunkEncoder):
    """Encoder of plain hidden layers."""


@dataclasses.dataclass(frozen=True)
class Plain(Family):
    """Nets of plain hidden layers."""

    gen_widths: Callable  # settings -> units of the generator's hidden layers
    disc_widths: Callable  # settings -> units of the hidden layers of discriminator and encoder
    act: Callable
    norm: str = ""  # see Gen
    momentum: float = 0.8
    supports_points: bool = False
    supports_mixture = True

    def gen(self, hp, spec, weights, n_gens=0):
        return Gen(
            **generator_fields(hp, spec),
            widths=self.gen_widths(hp),
            act=self.act,
            norm=self.norm if hp.gen_norm == "batch" else "",
            momentum=self.momentum,
            n_gens=n_gens,
            weights=weights,
        )

    def disc(self, hp, spec, weights, n_classes=0):
        return Disc(self.disc_widths(hp), self.act, n_classes=n_classes, weights=weights)

    def enc(self, hp, spec, weights):
        return Enc(self.disc_widths(hp), self.act, z_dim=hp.z_dim, weights=weights)


def _equal(hp):
    """Return the units of hidden layers of equal width."""
    return (hp.width,) * hp.depth


PLAIN = Plain(_equal, _equal, nn.relu, supports_points=True)
KERAS = Plain(
    lambda hp: (hp.width, 2 * hp.width, 4 * hp.width),
    lambda hp: (2 * hp.width, hp.width),
    dcgan.leaky_relu,
    norm="after",
)


def _uniform(limit):
    """Make an initialiser that is uniform in [-limit, limit]."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init


_GEN_INIT, _DISC_INIT = _uniform(0.05), _uniform(0.005)


def units(n: int, width: int) -> int:
    """Scale n units of a source, whose width is 240, to another width; one at least."""
    return -(-n * width // 240)


def _maxout(net, x, n, pieces, train):
    """Apply n maxout units, each the maximum of `pieces` affine maps: [B, F] -> [B, n].

    Source: Goodfellow et al. 2013, eq. 1.
    """
    return layers.Dense(n * pieces, weights=net.weights)(x, train).reshape(-1, n, pieces).max(-1)


class MaxoutDisc(Discriminator):
    """Discriminator of `depth` layers of `width` maxout units with 5 pieces.

    Its features are those after dropout.
    """

    width: int
    depth: int = 2
    drop: tuple[float, float] = (0.2, 0.5)  # rates of dropout: on the input, on each hidden layer

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.dropout(self, layers.flatten(x), self.drop[0], train)
        for _ in range(self.depth):
            x = _maxout(self, x, self.width, 5, train)
            x = layers.dropout(self, x, self.drop[1], train)
        return self.heads(x, train)


class CondGen(Generator):
    """Noise [B, z_dim] and condition [B, A] -> images: a ReLU layer of each, then a joint one.

    Dropout of 0.5 on every hidden layer.
    """

    width: int

    @nn.compact
    def __call__(self, z, cond, *, train):
        def hidden(x, n):
            x = nn.relu(layers.Dense(units(n, self.width), weights=self.weights)(x, train))
            return layers.dropout(self, x, 0.5, train)

        x = hidden(jnp.concatenate([hidden(z, 200), hidden(cond, 1000)], -1), 1200)
        return _to_images(self, x, train)


class CondDisc(Discriminator):
    """Images and condition [B, A] -> DiscOutput: a maxout layer of each, then a joint one.

    Dropout of 0.5 on every hidden layer. Its features are those after dropout.
    """

    width: int

    @nn.compact
    def __call__(self, x, cond, *, train):
        def hidden(x, n, pieces):
            x = _maxout(self, x, units(n, self.width), pieces, train)
            return layers.dropout(self, x, 0.5, train)

        x = jnp.concatenate([hidden(layers.flatten(x), 240, 5), hidden(cond, 50, 5)], -1)
        return self.heads(hidden(x, 240, 4), train)


class _Maxout(Family):
    """Nets of Goodfellow et al. 2014 (width 240).

    Their output bias, the marginals of the pixels, begins at 0 here.
    """

    supports_mixture = supports_points = True
    disc_class = MaxoutDisc

    def gen(self, hp, spec, weights, n_gens=0):
        widths, weights = (units(1200, hp.width),) * 2, weights._replace(init=_GEN_INIT)
        return Gen(**generator_fields(hp, spec), widths=widths, n_gens=n_gens, weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        weights = weights._replace(init=_DISC_INIT)
        return self.disc_class(hp.width, n_classes=n_classes, weights=weights)

    def enc(self, hp, spec, weights):
        widths, weights = (units(1200, hp.width),) * 2, weights._replace(init=_GEN_INIT)
        return Enc(widths, z_dim=hp.z_dim, weights=weights)


class _Cgan(_Maxout):
    """Nets of Mirza and Osindero 2014, section 4.1 (width 240)."""

    reads_condition, supports_mixture = True, False
    disc_class = CondDisc

    def gen(self, hp, spec, weights):
        weights = weights._replace(init=_GEN_INIT)
        return CondGen(**generator_fields(hp, spec), width=hp.width, weights=weights)


class _Ali(Plain):
    """Nets of PacGAN's experiments on points (width 400, and 200 of D)."""

    def disc(self, hp, spec, weights, n_classes=0):
        return MaxoutDisc(hp.width, 3, (0.0, 0.0), n_classes=n_classes, weights=weights)


MAXOUT = _Maxout()
CGAN = _Cgan()
ALI = _Ali(
    lambda hp: (hp.width,) * 4,
    lambda hp: (hp.width,) * 3,
    nn.relu,
    norm="before",
    momentum=0.95,
    supports_points=True,
)
