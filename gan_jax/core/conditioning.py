"""What a generator is told besides its noise: nothing, an index, quantities, or an image."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import images
from gan_jax.core import quantities
from gan_jax.core.quantities import Quantities


class Unconditional(NamedTuple):
    """The generator gets noise alone. The other kinds of conditioning have the same members.

    what: "class", "generator", "code", "quantities" or "image"; "" for nothing.
    names: names of the values of an index, in its order; () without an index.
    shown: the conditions that grids have a column of: of an index those that training saw.
    """

    what: str = ""
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple:
        """Return no values."""
        return ()

    @property
    def needs_images(self) -> bool:
        """Whether a condition is an image of the data."""
        return False

    def name_of(self, condition: Any) -> str:
        """Return the text that --kind takes for a condition; there is none."""
        return ""

    def choose(self, pool: np.ndarray | None, key: jax.Array, n: int) -> np.ndarray | None:
        """Choose n conditions on the host; None where the method draws them along with the noise.

        Args:
          pool: images of the data, uint8 [N, H, W, C], or None.
          key: random key.
          n: number of conditions.
        """
        return None

    def to_net(self, condition, pixels: str):
        """Bring conditions to the form that Method.sample takes. pixels: as in images.to_float."""
        return condition


class ByIndex(NamedTuple):
    """The generator gets a class, one of several generators, or a code: int32 [n] into `names`."""

    what: str
    names: tuple[str, ...]
    counts: tuple[int, ...] = ()  # training images of each value; () where all have some

    @property
    def shown(self) -> tuple[int, ...]:
        """List the values that have training images."""
        counts = self.counts or (1,) * len(self.names)
        return tuple(i for i, n in enumerate(counts) if n)

    def name_of(self, condition: Any) -> str:
        """Return the name of a value, an int."""
        return self.names[condition]

    needs_images = Unconditional.needs_images
    choose = Unconditional.choose
    to_net = Unconditional.to_net


class ByQuantities(NamedTuple):
    """The generator gets real numbers: float32 [n, A]."""

    quantities: Quantities
    what: str = "quantities"
    names: tuple[str, ...] = ()
    needs_images = Unconditional.needs_images
    choose = Unconditional.choose
    to_net = Unconditional.to_net

    @property
    def shown(self) -> tuple:
        """List values of training images, ascending in the first quantity."""
        return quantities.shown(self.quantities)

    def name_of(self, condition: Any) -> str:
        """Write the values of an image, float [A], as --kind takes them."""
        return "/".join(f"{value:.4g}" for value in condition)


class ByImage(NamedTuple):
    """The generator gets something made from an image of the data.

    to_input: images float32 [n, H, W, C] -> what the generator sees of them.
    """

    to_input: Callable
    what: str = "image"
    names: tuple[str, ...] = ()
    shown = Unconditional.shown
    name_of = Unconditional.name_of

    @property
    def needs_images(self) -> bool:
        """Whether a condition is an image of the data."""
        return True

    def choose(self, pool: np.ndarray | None, key: jax.Array, n: int) -> np.ndarray:
        """Choose n images of a pool: uint8 [n, H, W, C]; see `choose_images`."""
        if pool is None:
            raise ValueError("Conditions are images of the data; give the sampler a pool of them.")
        return choose_images(pool, key, n)

    def to_net(self, condition: np.ndarray, pixels: str):
        """Bring images uint8 [n, H, W, C] to the range of the nets."""
        return images.to_float(condition, pixels)


Conditioning = Unconditional | ByIndex | ByQuantities | ByImage


def choose_images(pool: np.ndarray, key: jax.Array, n: int) -> np.ndarray:
    """Choose n images of a pool [N, H, W, C], every image once before any comes twice."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    n_passes = -(-n // len(pool))
    rows = np.concatenate([rng.permutation(len(pool)) for _ in range(n_passes)])[:n]
    return images.take_rows(pool, rows)
