"""Perceptrons, for images and for points (images of one pixel, whose channels are coordinates).

PLAIN   ReLU layers of equal width: DRAGAN's notebook (depth 1), Dist-GAN's toys (depth 3 and 1), MGAN's toy.
KERAS   S2's "GAN" as the public script that its numbers of iterations point to has it: widths 256, 512, 1024.
MAXOUT  Goodfellow et al. 2014: a ReLU generator against two maxout layers with dropout.
CGAN    Mirza and Osindero 2014: the same, where both nets also read a condition.

None has a norm in D, so that `disc_norm` says nothing here. MAXOUT and CGAN have the initialisers of their sources; `init` says
nothing there.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family
from gan_jax.nets.heads import heads
from gan_jax.nets.outputs import squash


class Gen(nn.Module):
    """Noise [B, z_dim] -> [B, size, size, colors] in the range that `pixels` names, see outputs.squash.

    widths: of the hidden layers, from the noise on. act: what follows each; normed: then a BatchNorm, in Keras' order.
    cond: see layers.norm. n_gens: 0, or a mixture of so many generators whose first hidden layers are private: see dcgan.Gen.
    """

    size: int
    colors: int
    widths: tuple
    pixels: str
    act: Callable = nn.relu
    normed: bool = False
    n_gens: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, which=None, *, train):
        def hidden(net, x, i):
            x = self.act(
                layers.Dense(self.widths[i], weights=self.weights, name=f"hidden_{i}")(x, train)
            )
            return (
                layers.norm(net, train, cond, momentum=0.8, name=f"norm_{i}")(x)
                if self.normed
                else x
            )

        def stem(net, z):
            return hidden(net, z, 0)

        x = layers.mixture(stem, self, self.n_gens, z, which) if self.n_gens else stem(self, z)
        for i in range(1, len(self.widths)):
            x = hidden(self, x, i)
        x = layers.Dense(self.size**2 * self.colors, weights=self.weights, name="out")(x, train)
        return squash(x, self.pixels).reshape(-1, self.size, self.size, self.colors)


def _trunk(net, x, train):
    x = layers.flatten(x)
    for width in net.widths:
        x = net.act(layers.Dense(width, weights=net.weights)(x, train))
    return x


class Disc(nn.Module):
    """[B, size, size, colors] -> DiscOut. widths, act: see Gen. n_classes: of a second head; 0: none."""

    widths: tuple
    act: Callable = nn.relu
    n_classes: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        return heads(self, _trunk(self, x, train), train)


class Enc(nn.Module):
    """[B, size, size, colors] -> codes [B, z_dim], unbounded. widths, act: see Gen."""

    widths: tuple
    z_dim: int
    act: Callable = nn.relu
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        return layers.Dense(self.z_dim, weights=self.weights)(_trunk(self, x, train), train)


@dataclasses.dataclass(frozen=True)
class Plain(Family):
    """Nets of plain hidden layers.

    gen_widths, disc_widths: functions hp -> widths of the hidden layers; the encoder has those of the discriminator.
    act, normed: see Gen. points: see Family.
    """

    gen_widths: Callable
    disc_widths: Callable
    act: Callable
    normed: bool = False
    supports_points: bool = False
    supports_mixture = True

    def gen(self, hp, shape, weights, n_gens=0):
        """The generator for images or points of a base.DataSpec."""
        normed = self.normed and hp.gen_norm == "batch"
        return Gen(
            shape.size,
            shape.colors,
            self.gen_widths(hp),
            hp.pixels,
            self.act,
            normed,
            n_gens,
            weights,
        )

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: see Disc."""
        return Disc(self.disc_widths(hp), self.act, n_classes, weights)

    def enc(self, hp, shape, weights):
        """The encoder."""
        return Enc(self.disc_widths(hp), hp.z_dim, self.act, weights)


def _equal(hp):
    return (hp.width,) * hp.depth


PLAIN = Plain(_equal, _equal, nn.relu, supports_points=True)
KERAS = Plain(
    lambda hp: (hp.width, 2 * hp.width, 4 * hp.width),
    lambda hp: (2 * hp.width, hp.width),
    dcgan.leaky_relu,
    normed=True,
)


def _uniform(limit):
    """Initialiser: uniform in [-limit, limit]."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -limit, limit
    )


_GEN_INIT, _DISC_INIT = _uniform(0.05), _uniform(0.005)


def units(n, width):
    """Units of a layer that has n where the net's width is the published 240; one at least."""
    return -(-n * width // 240)


def _maxout(net, x, n, pieces, train):
    """Each of n units is the largest of its `pieces` affine maps: [B, F] -> [B, n] (Goodfellow et al. 2013, eq. 1)."""
    return layers.Dense(n * pieces, weights=net.weights)(x, train).reshape(-1, n, pieces).max(-1)


class MaxoutDisc(nn.Module):
    """[B, size, size, colors] -> DiscOut: two layers of `width` maxout units.

    Dropout takes 0.2 of the input and half of each hidden layer; features are what the logit is computed from, after it.
    """

    width: int
    n_classes: int = 0
    weights: layers.Weights = layers.Weights(_DISC_INIT)
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.dropout(self, layers.flatten(x), 0.2, train)
        for _ in range(2):
            x = layers.dropout(self, _maxout(self, x, self.width, 5, train), 0.5, train)
        return heads(self, x, train)


class CondGen(nn.Module):
    """Noise [B, z_dim] and condition [B, A] -> [B, size, size, colors]: a ReLU layer of each, then a joint one.

    Dropout takes half of every hidden layer.
    """

    size: int
    colors: int
    width: int
    pixels: str
    weights: layers.Weights = layers.Weights(_GEN_INIT)
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond, *, train):
        def hidden(x, n):
            x = nn.relu(layers.Dense(units(n, self.width), weights=self.weights)(x, train))
            return layers.dropout(self, x, 0.5, train)

        x = hidden(jnp.concatenate([hidden(z, 200), hidden(cond, 1000)], -1), 1200)
        x = layers.Dense(self.size**2 * self.colors, weights=self.weights)(x, train)
        return squash(x, self.pixels).reshape(-1, self.size, self.size, self.colors)


class CondDisc(nn.Module):
    """[B, size, size, colors] and condition [B, A] -> DiscOut: a maxout layer of each, then a joint one.

    Dropout takes half of every hidden layer; features as in MaxoutDisc.
    """

    width: int
    n_classes: int = 0
    weights: layers.Weights = layers.Weights(_DISC_INIT)
    axis: str | None = None

    @nn.compact
    def __call__(self, x, cond, *, train):
        def hidden(x, n, pieces):
            return layers.dropout(
                self, _maxout(self, x, units(n, self.width), pieces, train), 0.5, train
            )

        x = jnp.concatenate([hidden(layers.flatten(x), 240, 5), hidden(cond, 50, 5)], -1)
        return heads(self, hidden(x, 240, 4), train)


class _Maxout(Family):
    """Goodfellow et al. 2014 (width 240); their output bias, the pixels' marginals, is left at 0."""

    supports_mixture = supports_points = True

    def gen(self, hp, shape, weights, n_gens=0):
        """The generator for images of a base.DataSpec."""
        weights = weights._replace(init=_GEN_INIT)
        return Gen(
            shape.size,
            shape.colors,
            (units(1200, hp.width),) * 2,
            hp.pixels,
            n_gens=n_gens,
            weights=weights,
        )

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: of a second head; 0: none."""
        return MaxoutDisc(hp.width, n_classes, weights._replace(init=_DISC_INIT))

    def enc(self, hp, shape, weights):
        """The encoder."""
        return Enc((units(1200, hp.width),) * 2, hp.z_dim, weights=weights._replace(init=_GEN_INIT))


class _Cgan(_Maxout):
    """Mirza and Osindero 2014, section 4.1 (width 240)."""

    reads_condition, supports_mixture = True, False

    def gen(self, hp, shape, weights):
        """The generator for images of a base.DataSpec."""
        return CondGen(
            shape.size, shape.colors, hp.width, hp.pixels, weights._replace(init=_GEN_INIT)
        )

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: of a second head; 0: none."""
        return CondDisc(hp.width, n_classes, weights._replace(init=_DISC_INIT))


MAXOUT = _Maxout()
CGAN = _Cgan()
