"""Does a generator make the quantities that it was asked for?

A net reads the quantities of images. It is trained once on the data's own values, as a classifier
is (metrics.features.classifier), and cached. What it reads of generated images is compared with
what they were asked:

  correlation  Pearson's, between asked and read values
  error        root mean square of read minus asked, in standard deviations of the data

Both also of real images that the net was not trained on, and their values: the floor. And with the
asked values shuffled: a generator that does not listen.
"""

import functools
import json
import pathlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from gan_jax import cache, images
from gan_jax.core import quantities
from gan_jax.core.quantities import Quantities
from gan_jax.data.types import Dataset
from gan_jax.metrics import content_order
from gan_jax.metrics.features import classifier_training
from gan_jax.metrics.features.classifier_training import Settings
from gan_jax.metrics.metric import Score
from gan_jax.nets.classifier import Classifier
from gan_jax.ops import compiling

VERSION = 1  # of the training; raise it when the same settings would give another net
_MAX_TRAIN, _MAX_HELDOUT = 60_000, 10_000  # images
COLUMNS = {"correlation": 3, "error": 3}  # of the table: {key: decimals}
SCORES = {
    "asked_correlation": Score(
        "quantities asked",
        "high",
        "Correlation of the quantities that images were asked for with those that a net reads of "
        "them, the mean over quantities; at the left of real images.",
        least=-1,
        most=1,
    )
}


class Reader(NamedTuple):
    """A net that reads quantities."""

    name: str
    read: Callable[[np.ndarray], np.ndarray]  # images uint8 [N, H, W, C] -> float64 [N, A]
    # Real images that it was not trained on: their values and what it reads, float64 [M, A].
    real: np.ndarray
    read_of_real: np.ndarray


def load(dataset: Dataset, heldout: Dataset | None = None, settings: Settings | None = None):
    """Train the Reader of a data set, or load it from the cache.

    Args:
      dataset: training images with values.
      heldout: images that measure the error. None, or without values: a tenth of `dataset`, which
        is then not trained on.
      settings: training; None for the defaults of a classifier.

    Returns:
      Reader.
    """
    assert dataset.values is not None
    settings = settings or Settings()
    of_train = quantities.measure(dataset.quantities, dataset.values)
    n_out = sum(map(len, of_train.nodes))
    net = Classifier(n_out, settings.widths)
    rows, tested, test_rows = _split(dataset, heldout, settings.seed)
    identity = {
        "version": VERSION,
        "digest": dataset.digest,
        "turned": classifier_training.any_orientation(dataset),
        "heldout": None if tested is dataset else tested.digest,
        **settings._asdict(),
    }

    def build(folder: pathlib.Path):
        variables = _train(net, dataset, rows, of_train, settings)
        flat = traverse_util.flatten_dict(jax.device_get(variables), sep="/")
        np.savez(folder / "weights.npz", **flat)
        read = _build_read(net, variables, of_train)(images.take_rows(tested.images, test_rows))
        (folder / "read.json").write_text(json.dumps(read.tolist()))

    folder = cache.entry("quantity_reader", identity, build)
    with np.load(folder / "weights.npz") as file:
        variables = traverse_util.unflatten_dict(dict(file), sep="/")
    read_of_real = np.array(json.loads((folder / "read.json").read_text()))
    return Reader(
        f"reader-{folder.name[:8]}",
        _build_read(net, variables, of_train),
        tested.values[test_rows].astype(np.float64),
        read_of_real,
    )


def _split(dataset, heldout, seed):
    """Return (rows to train on, the data to test on, rows of it), both in random order."""

    def shuffled(data):
        rows = content_order.sort_rows(data.images, np.arange(len(data.images)))
        return np.random.default_rng(seed).permutation(rows)

    order = shuffled(dataset)
    if heldout is not None and heldout.values is not None:
        return order[:_MAX_TRAIN], heldout, shuffled(heldout)[:_MAX_HELDOUT]
    n_test = min(max(2, len(order) // 10), _MAX_HELDOUT)
    return order[n_test:][:_MAX_TRAIN], dataset, order[:n_test]


def _train(net, dataset, rows, of_train: Quantities, settings):
    """Train the net to give the weights of the nodes; return its variables."""
    print(
        f"training a net that reads {' and '.join(of_train.names)}, once ...",
        file=sys.stderr,
        flush=True,
    )
    rng = np.random.default_rng(settings.seed)
    plan = np.stack([rng.choice(rows, settings.batch) for _ in range(settings.steps)])
    return classifier_training.train_plan(
        net,
        dataset.images,
        dataset.values,
        settings,
        plan,
        classifier_training.change_of(dataset),
        functools.partial(_cross_entropy, nodes=of_train.nodes),
    )


def _blocks(logits, nodes):
    """Cut logits [N, sum of K] into those of each quantity."""
    ends = np.cumsum([len(own) for own in nodes])[:-1]
    return jnp.split(logits, ends.tolist(), axis=1)


def _cross_entropy(logits, values, nodes):
    """Compare the logits of the nodes with the weights that values have: float [N]."""
    weights = _blocks(quantities.to_weights(values, nodes), nodes)
    pairs = zip(_blocks(logits, nodes), weights, strict=True)
    return sum(optax.softmax_cross_entropy(own, target) for own, target in pairs)


def _build_read(net, variables, of_train: Quantities):
    """Build Reader.read: the mean of the nodes under the probabilities of each quantity."""

    @compiling.jit
    def read_batch(x):
        _, logits = net.apply(variables, images.to_float(x, "tanh"))
        return jnp.stack(
            [
                jax.nn.softmax(own) @ jnp.asarray(at, jnp.float32)
                for own, at in zip(_blocks(logits, of_train.nodes), of_train.nodes, strict=True)
            ],
            1,
        )

    def read(x):
        size, parts = 250, []
        for start in range(0, len(x), size):
            batch = np.asarray(x[start : start + size])
            filled = np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)))
            parts.append(np.asarray(read_batch(filled), np.float64)[: len(batch)])
        return np.concatenate(parts)

    return read


def score_asked(reader: Reader, generated: np.ndarray, asked: np.ndarray, names, seed: int) -> dict:
    """Score generated images by the quantities that were asked of them.

    Args:
      reader: Reader.
      generated: images uint8 [n, H, W, C].
      asked: float [n, A].
      names: names of the quantities [A].
      seed: seed of the shuffled control.

    Returns:
      JSON-able finite dict: "n", "n_real", "reader", and "by_quantity": {name: {"correlation",
      "error", and both with "_real" and "_shuffled"}}. A correlation is None where all values are
      alike, and an error where those of the real images are.
    """
    read, spread = reader.read(generated), reader.real.std(0)
    shuffled = np.random.default_rng(seed).permutation(asked)
    by_quantity = {}
    for i, name in enumerate(names):
        pairs = {
            "": (asked[:, i], read[:, i]),
            "_real": (reader.real[:, i], reader.read_of_real[:, i]),
            "_shuffled": (shuffled[:, i], read[:, i]),
        }
        by_quantity[name] = {
            f"{key}{of}": value
            for of, (a, b) in pairs.items()
            for key, value in _agreement(a, b, spread[i]).items()
        }
    return {
        "n": len(generated),
        "n_real": len(reader.real),
        "reader": reader.name,
        "by_quantity": by_quantity,
    }


def _agreement(asked, read, spread):
    differs = np.ptp(asked) > 0 and np.ptp(read) > 0
    return {
        "correlation": float(np.corrcoef(asked, read)[0, 1]) if differs else None,
        "error": float(np.sqrt(np.mean((read - asked) ** 2)) / spread) if spread else None,
    }


def row_scores(record: dict) -> tuple[dict[str, float], dict[str, float]]:
    """Return SCORES of the generated images and of real ones; {} where no quantity has one.

    Args:
      record: of `score_asked`.
    """

    def mean(key):
        values = [own[key] for own in record["by_quantity"].values() if own[key] is not None]
        return {"asked_correlation": float(np.mean(values))} if values else {}

    return mean("correlation"), mean("correlation_real")


def table_rows(record: dict) -> list[list[str]]:
    """Format the record of `score_asked` as rows of cells, the head first."""
    kinds = {"": "", "_real": "real", "_shuffled": "shuffled"}
    head = [f"{key}{', ' if kind else ''}{kind}" for key in COLUMNS for kind in kinds.values()]
    rows = [["quantity", *head]]
    for name, own in record["by_quantity"].items():
        cells = [
            "-" if (value := own[f"{key}{of}"]) is None else f"{value:.{decimals}f}"
            for key, decimals in COLUMNS.items()
            for of in kinds
        ]
        rows.append([name, *cells])
    return rows


def summary_text(record: dict) -> str:
    """Say in one sentence how the generator did."""
    texts = []
    for name, own in record["by_quantity"].items():
        pair = [own["correlation"], own["correlation_real"]]
        made, real = ("-" if value is None else f"{value:.2f}" for value in pair)
        texts.append(f"{name} {made} (real images {real})")
    return f"Correlation of what was asked with what is shown: {', '.join(texts)}."


def protocol_text(record: dict) -> str:
    """Say how the scores were measured, and how to read them."""
    return (
        f"{record['n']} images, asked the values of as many real ones. What they show is read by a "
        f"net trained on the data; 'real' is how well it reads {record['n_real']} real images that "
        "it was not trained on, and 'shuffled' what a generator would reach that does not listen. "
        "Error: root mean square, in standard deviations of the data."
    )
