"""S1's two nets, from the public scripts that its text describes (D19); sides are multiples of 4.

SECTION7  Keras-GAN's AC-GAN (width 128), without the row and column of zeros that its discriminator
          adds at 7 px.
SECTION4  Atienza's Keras DCGAN (width 64), unconditional in its source. Its layers in front of a
          BatchNorm have a bias.

Norms come after the activation in SECTION7, and in D after the dropout: Keras' order.
"""

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import (
    ConvGenerator,
    Family,
    Net,
    TrunkDiscriminator,
    TrunkEncoder,
    conv_generator_fields,
)
from gan_jax.nets.outputs import squash
from gan_jax.settings import Size


class Gen7(ConvGenerator):
    """Generator of SECTION7."""

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        def act(x):
            return self.normalize(nn.relu(x), train, cond, momentum=0.8)

        h, w, width = self.hw.height // 4, self.hw.width // 4, self.width
        x = layers.Dense(h * w * width, weights=self.weights)(z, train)
        x = act(x.reshape(-1, h, w, width))
        for features in (width, max(width // 2, 1)):
            x = act(layers.Conv(features, 3, 1, weights=self.weights, resize="up")(x, train))
        return squash(layers.Conv(self.colors, 3, 1, weights=self.weights)(x, train), self.pixels)


class Gen4(ConvGenerator):
    """Generator of SECTION4: first norm per unit, dropout of 0.4 on the first feature map."""

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        def act(x):
            return nn.relu(self.normalize(x, train, cond))

        h, w, width = self.hw.height // 4, self.hw.width // 4, self.width
        x = act(layers.Dense(h * w * 4 * width, weights=self.weights)(z, train))
        x = layers.dropout(self, x.reshape(-1, h, w, 4 * width), 0.4, train)
        for features in (2 * width, width):
            x = act(layers.Conv(features, stride=1, weights=self.weights, resize="up")(x, train))
        x = act(layers.Conv(max(width // 2, 1), stride=1, weights=self.weights)(x, train))
        x = layers.Conv(self.colors, stride=1, weights=self.weights)(x, train)
        return squash(x, self.pixels)


class _Trunk(Net):
    """Fields of the nets that see images, and their convolutions."""

    widths: tuple[int, ...]  # channels of the four convolutions
    kernel: int
    rate: float  # of the dropout
    normed: tuple[int, ...] = ()  # indices of the convolutions with a BatchNorm

    def trunk(self, x, train):
        """Apply convolutions with LeakyReLU and dropout; the last has stride 1."""
        for i, features in enumerate(self.widths):
            stride = 2 if i < 3 else 1
            x = layers.Conv(features, self.kernel, stride, weights=self.weights)(x, train)
            x = layers.dropout(self, dcgan.leaky_relu(x), self.rate, train)
            x = layers.batch_norm(self, train, momentum=0.8)(x) if i in self.normed else x
        return layers.flatten(x)


class Disc(_Trunk, TrunkDiscriminator):
    """Discriminator. Its features are those after dropout."""


class Enc(_Trunk, TrunkEncoder):
    """Encoder: the discriminator's convolutions and a dense layer."""


class _Section7(Family):
    """Keras-GAN's AC-GAN."""

    gen_class, kernel, rate, normed = Gen7, 3, 0.25, (1, 2)

    def check(self, spec):
        if any(side % 4 for side in spec.hw):
            low, high = (Size(*((s + add) // 4 * 4 for s in spec.hw)) for add in (0, 3))
            raise InputError(
                f"--size={spec.hw} is not a multiple of 4, as S1's nets need; use {low} or {high}."
            )

    def widths(self, width: int) -> tuple[int, ...]:
        """Return the channels of D's convolutions."""
        return tuple(max(width // n, 1) for n in (8, 4, 2, 1))

    def gen(self, hp, spec, weights):
        return self.gen_class(**conv_generator_fields(hp, spec), weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        normed = self.normed if hp.disc_norm == "batch" else ()
        fields = self.widths(hp.width), self.kernel, self.rate, normed
        return Disc(*fields, n_classes=n_classes, weights=weights)

    def enc(self, hp, spec, weights):
        fields = self.widths(hp.width), self.kernel, 0.0, self.normed
        return Enc(*fields, z_dim=hp.z_dim, weights=weights)


class _Section4(_Section7):
    """Atienza's DCGAN."""

    gen_class, kernel, rate, normed = Gen4, 5, 0.4, ()

    def widths(self, width):
        return tuple(width * n for n in (1, 2, 4, 8))


SECTION7 = _Section7()
SECTION4 = _Section4()
