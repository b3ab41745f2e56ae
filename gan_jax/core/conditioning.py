"""What a generator is told besides its noise: nothing, an index, or an image of the data."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gan_jax import images


class Unconditional(NamedTuple):
    """The generator gets noise alone. The other kinds of conditioning have the same members.

    what: "class", "generator", "code" or "image"; "" for nothing.
    names: names of the values of an index, in its order; () without an index.
    shown: the values that grids and scores are of: those that training saw.
    """

    what: str = ""
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[int, ...]:
        """Return no values."""
        return ()

    @property
    def needs_images(self) -> bool:
        """Whether a condition is an image of the data."""
        return False

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

    needs_images = Unconditional.needs_images
    choose = Unconditional.choose
    to_net = Unconditional.to_net


class ByImage(NamedTuple):
    """The generator gets something made from an image of the data.

    to_input: images float32 [n, H, W, C] -> what the generator sees of them.
    """

    to_input: Callable
    what: str = "image"
    names: tuple[str, ...] = ()
    shown = Unconditional.shown

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


Conditioning = Unconditional | ByIndex | ByImage


def choose_images(pool: np.ndarray, key: jax.Array, n: int) -> np.ndarray:
    """Choose n images of a pool [N, H, W, C], every image once before any comes twice."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    n_passes = -(-n // len(pool))
    rows = np.concatenate([rng.permutation(len(pool)) for _ in range(n_passes)])[:n]
    return images.take_rows(pool, rows)
