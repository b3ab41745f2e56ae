"""Watches a run while it trains: measures what losses do not show, and warns.

Everything is a function of the state, the seed and the records so far, so a resumed run says the
same. The judgement itself is in rundir.health.
"""

from collections.abc import Callable, Sequence

import numpy as np

from gan_jax import images
from gan_jax.core import augment_strength
from gan_jax.core.conditioning import ByImage, choose_images
from gan_jax.core.keys import KeyStream, run_key
from gan_jax.core.method import Method
from gan_jax.core.state import Vars
from gan_jax.data.datasets import Dataset
from gan_jax.metrics import class_balance
from gan_jax.rundir.health import Health
from gan_jax.training import sampling

N = sampling.CHUNK  # images per measurement
SIDE = 64  # pixels; of larger images every second, third, ... row and column is compared


def diversity(x: np.ndarray) -> float:
    """Compute the mean RMS difference of two images.

    Args:
      x: uint8 or float [n, H, W, C]; of images above SIDE pixels evenly spaced rows and columns
        count.

    Returns:
      float >= 0 in the units of x, exact to rounding for uint8.
    """
    rows, columns = (-(-side // SIDE) for side in x.shape[1:3])
    flat = np.asarray(x)[:, ::rows, ::columns].reshape(len(x), -1).astype(np.float64)
    gram = flat @ flat.T
    square = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
    rms = np.sqrt(square.clip(0) / flat.shape[1])
    return float(rms.sum() / max(len(x) * (len(x) - 1), 1))


class Monitor:
    """Measures one run at its log interval and says where a warning begins or ends."""

    def __init__(
        self,
        prepared,
        sampler: Callable,
        pool: np.ndarray | None,
        records: list[dict],
        say: Callable[[str], None],
    ):
        """Replay the records of a run.

        Args:
          prepared: config.Prepared.
          sampler, pool: see sampling.build_sampler.
          records: records of the run so far.
          say: shows a line.
        """
        self._method: Method = prepared.method
        self._sampler, self._say = sampler, say
        self._key = run_key(prepared.config.run.seed, KeyStream.MONITOR)
        self._condition = self._method.conditioning.choose(pool, self._key, N)
        real = self._condition
        if real is None:
            dataset: Dataset = prepared.train
            real = choose_images(dataset.images, self._key, min(N, len(dataset.images)))
        self._real = diversity(self._compared(real))
        # Wasserstein scores have no origin and no scale: their sigmoid says nothing.
        self._logits_are_bounded = getattr(self._method.hp, "loss", "") != "wasserstein"
        self.health = Health(prepared.to_dict())
        for record in records:
            self.health.add(record)

    def measure(self, vs: Vars, record: dict, shares: Sequence[float] | None = None) -> dict:
        """Measure the run and judge it.

        Args:
          vs: Vars of the generator that is sampled.
          record: what is logged at this step.
          shares: class shares of generated images, float [K], if they were just counted.

        Returns:
          What is added to the record:
          "watch/diversity": diversity of N generated images of fixed noise, divided by that of N
            real ones; of colorization, that of the colours added to the gray images.
          "watch/gap": D(x) - D(G(z)); absent for --loss=wasserstein.
          "watch/augment": with --augment_target, ADA's probability divided by its largest one.
          "watch/modes": with shares, the number of classes with at least 1 % of the images.
          "watch/largest_class": with shares, the largest one.
          "warnings": names of the active warnings, if any.
        """
        out = {}
        if self._real:
            generated = self._sampler(vs, self._key, N, self._condition)
            out["watch/diversity"] = diversity(self._compared(generated)) / self._real
        if self._logits_are_bounded and {"disc/real_prob", "disc/fake_prob"} <= set(record):
            out["watch/gap"] = record["disc/real_prob"] - record["disc/fake_prob"]
        if "disc/augment_p" in record and augment_strength.is_adaptive(self._method.hp):
            limit = augment_strength.limit(self._method.hp)
            out["watch/augment"] = record["disc/augment_p"] / limit
        if shares is not None:
            out["watch/modes"] = class_balance.n_classes_holding(np.asarray(shares), 0.01)
            out["watch/largest_class"] = float(np.max(shares))
        before = set(self.health.began)
        warnings = self.health.add({**record, **out})
        for warning in [w for w in warnings if w not in before]:
            self._say(f"WARNING at step {record['step']}: {self.health.text(warning)}")
        for warning in sorted(before - set(warnings)):
            name = warning.rpartition(" ")[0]
            self._say(f"step {record['step']}: recovered: {name} is healthy again")
        return out | ({"warnings": warnings} if warnings else {})

    def _compared(self, x):
        """Leave of colorized images only what was added to the gray ones."""
        conditioning = self._method.conditioning
        if not isinstance(conditioning, ByImage):
            return x
        x = images.to_float(x, self._method.hp.pixels)
        return x - np.asarray(conditioning.to_input(x))
