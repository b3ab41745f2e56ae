"""The interface of a net family, and the fields and last layers that nets of all families share."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core.quantities import Quantities
from gan_jax.errors import InputError
from gan_jax.nets import layers
from gan_jax.nets.layers import WeightOptions
from gan_jax.nets.outputs import DiscOutput
from gan_jax.settings import Size, Sized


class _DataSpec(NamedTuple):
    hw: Size  # height and width in pixels; 1 and 1 for points
    colors: int  # channels; of a point, coordinates
    classes: tuple[str, ...] = ()  # names of the classes
    counts: tuple[int, ...] = ()  # training images of each class
    quantities: Quantities = Quantities()


class DataSpec(Sized, _DataSpec):
    """What nets need to know of the data. Its first argument is anything that Size.of takes."""

    __slots__ = ()

    @property
    def is_points(self) -> bool:
        """Whether the data are points."""
        return self.hw == (1, 1)


class Net(nn.Module, kw_only=True):
    """A net that core.method.apply_net can run."""

    # initialiser and spectral norm of its layers
    weights: WeightOptions = WeightOptions()
    # name of the device axis over which BatchNorm averages; None on one device; set by apply_net
    axis: str | None = None


class Generator(Net):
    """Noise float32 [B, z_dim] -> images float32 [B, H, W, colors]."""

    hw: Size  # height and width in pixels; 1 and 1 for points
    colors: int  # channels; of a point, coordinates
    pixels: str  # range of the images, see outputs.squash

    @property
    def size(self) -> int:
        """The side of square images; 1 for points. Raises InputError: they are not square."""
        return self.hw.side


class ConvGenerator(Generator):
    """A generator of convolutions, whose BatchNorms can depend on a condition [B, A]."""

    width: int  # channels next to the image; deeper layers have multiples of it
    norm: str = "batch"  # "batch" or "none"

    def normalize(
        self, x: jax.Array, train: bool, cond: jax.Array | None = None, **options
    ) -> jax.Array:
        """Apply a BatchNorm of its own, unless `norm` is "none"; see layers.batch_norm."""
        return layers.batch_norm(self, train, cond, **options)(x) if self.norm == "batch" else x


class CosineHead(nn.Module):
    """Class head on the unit sphere: features [B, F] -> (cosines [B, K], embedding [B, E]).

    The embedding is a dense layer, divided by its length; a class has a proxy there, also of length
    1. Both are float32 or wider.

    Source: Kang et al. 2021, section 3.
    """

    n_classes: int  # K
    width: int  # E
    weights: WeightOptions = WeightOptions()

    @nn.compact
    def __call__(self, x, train):
        embedding = layers.Dense(self.width, weights=self.weights)(x, train)
        shape = (self.n_classes, self.width)
        proxies = self.param("proxies", layers.initializer(self.weights.init), shape)
        wide = jnp.promote_types(x.dtype, jnp.float32)
        embedding, proxies = (_unit_rows(rows.astype(wide)) for rows in (embedding, proxies))
        return embedding @ proxies.T, embedding


def _unit_rows(x):
    """Divide rows by their lengths."""
    return x / jnp.sqrt((x**2).sum(-1, keepdims=True) + 1e-12)


class Discriminator(Net, kw_only=True):
    """Images float32 [B, H, W, colors] -> DiscOutput."""

    n_classes: int = 0  # outputs of a class head on the features; 0: no class head
    embedding: int = 0  # of a class head of cosines, the length of its embedding; 0: of logits

    def heads(
        self,
        features: jax.Array,
        train: bool,
        pooled: jax.Array | None = None,
        weights: WeightOptions | None = None,
        use_bias: bool = True,
    ) -> DiscOutput:
        """Compute the logit, and class logits where there is a class head.

        Args:
          features: the last hidden layer, [B, F].
          train: as in the net's call.
          pooled: input of the heads where that is not the features, [B, P].
          weights: of the heads where they are not those of the net.
          use_bias: whether the heads have a bias.
        """
        x, weights = features if pooled is None else pooled, weights or self.weights
        logit = layers.Dense(1, use_bias, weights)(x, train)[:, 0]
        if not self.n_classes:
            return DiscOutput(logit, features)
        if self.embedding:
            head = CosineHead(self.n_classes, self.embedding, weights)
            return DiscOutput(logit, features, *head(x, train))
        return DiscOutput(
            logit, features, layers.Dense(self.n_classes, use_bias, weights)(x, train)
        )


class TrunkDiscriminator(Discriminator):
    """A discriminator of hidden layers, `trunk(x, train)` of a subclass, and the heads on them."""

    @nn.compact
    def __call__(self, x, *, train):
        return self.heads(self.trunk(x, train), train)


class Encoder(Net, kw_only=True):
    """Images float32 [B, H, W, colors] -> codes float32 [B, z_dim], unbounded."""

    z_dim: int


class TrunkEncoder(Encoder):
    """An encoder of hidden layers, `trunk(x, train)` of a subclass, and a dense layer on them."""

    @nn.compact
    def __call__(self, x, *, train):
        return layers.Dense(self.z_dim, weights=self.weights)(self.trunk(x, train), train)


class Family:
    """Builds the nets of one family from settings.

    `hp` is the Settings of a method, `spec` the DataSpec of the data.
    """

    # whether its nets read a class or attributes by themselves, and cannot do without
    reads_condition: bool = False
    # whether its nets can read a class or attributes by themselves, see nets.conditional's "own"
    takes_condition: bool = False
    # whether its generator can have BatchNorms, on which a condition can act
    has_batch_norm: bool = True
    # whether its weights can be divided by their spectral norms
    supports_spectral: bool = True
    # whether its generator keeps to the range of the pixels
    is_bounded: bool = True
    # whether its generator can be a mixture: gen(..., n_gens=0)
    supports_mixture: bool = False
    # whether its generator doubles sides as --upsample says
    chooses_upsample: bool = False
    # whether its nets also take points
    supports_points: bool = False

    def check(self, spec) -> None:
        """Refuse images of a size that the nets do not have. Raises InputError."""

    def gen(self, hp, spec, weights: WeightOptions) -> nn.Module:
        """Build the generator."""
        raise NotImplementedError

    def disc(self, hp, spec, weights: WeightOptions, n_classes: int = 0) -> nn.Module:
        """Build the discriminator; n_classes: see Discriminator."""
        raise NotImplementedError

    def enc(self, hp, spec, weights: WeightOptions) -> nn.Module:
        """Build the encoder. Raises InputError: the family has none."""
        raise InputError(
            f"--net={hp.net} has no encoder, which this method needs; use --net=dcgan."
        )


def generator_fields(hp, spec) -> dict[str, Any]:
    """Return the fields of a Generator that settings and data determine."""
    return {"hw": spec.hw, "colors": spec.colors, "pixels": hp.pixels}


def conv_generator_fields(hp, spec) -> dict[str, Any]:
    """Return the fields of a ConvGenerator that settings and data determine."""
    return {**generator_fields(hp, spec), "width": hp.width, "norm": hp.gen_norm}
