"""Training of the classifier whose features and probabilities the metrics use."""

import functools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import images
from gan_jax.data import classifier_augment, datasets
from gan_jax.data.types import Dataset
from gan_jax.metrics.features.extractor import Apply, batched_apply
from gan_jax.nets.classifier import WIDTHS, Classifier
from gan_jax.ops import compiling

VERSION = 2  # of this recipe; raise it when the same settings would give another net
# Random changes of training images, by data source: (key, float [B, S, S, C]) -> the same. Galaxies
# mean the same when turned or mirrored; the digits of stacks when moved and slanted a little.
_CHANGES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "galaxies": classifier_augment.dihedral,
    "galaxies5": classifier_augment.dihedral,
    "galaxyzoo": classifier_augment.dihedral,
    "stacked": functools.partial(classifier_augment.augment, names="shift,rotate"),
}
_APPLY_BATCH = 250

# (params, batch_stats, optimizer state)
State = tuple[Any, Any, Any]
CrossEntropy = Callable[[jax.Array, jax.Array], jax.Array]  # (logits [N, K], labels [N]) -> [N]
_CROSS_ENTROPY = optax.softmax_cross_entropy_with_integer_labels


class Settings(NamedTuple):
    """How a classifier is trained; part of the name of its cache entry."""

    steps: int = 600
    batch: int = 64
    # The highest: a warm-up of a tenth of the steps, then a cosine to 0.
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3
    widths: tuple[int, ...] = WIDTHS
    seed: int = 0


def fit(dataset: Dataset, settings: Settings) -> Apply:
    """Train a classifier on the labelled images, each class equally often, without measuring it.

    Programs are compiled once for all data sets with equally many images and the same classes among
    their labels.

    Args:
      dataset: data set with labels; at least one is >= 0.
      settings: training.

    Returns:
      images uint8 [N, H, W, C] -> (features float32 [N, F], probabilities float32 [N, K]).
    """
    net = Classifier(len(dataset.classes), settings.widths)
    variables = train(net, dataset.images, dataset.labels, settings, change_of(dataset), quiet=True)
    return build_apply(net, variables)


def fit_plan(dataset: Dataset, settings: Settings, plan: np.ndarray, change: str = "") -> Apply:
    """Train a classifier on minibatches that the caller chooses, without measuring it.

    Images go to the device one minibatch at a time, so that one program serves data sets of any
    length.

    Args:
      dataset: data set with labels.
      settings: training, with as many steps as the plan has rows.
      plan: int [steps, B], the rows of every minibatch; none of them unlabelled.
      change: names of random changes of the training images, see classifier_augment.augment.

    Returns:
      As `fit`.
    """
    net = Classifier(len(dataset.classes), settings.widths)
    variables = train_plan(
        net, dataset.images, dataset.labels, settings, plan, _named_change(change)
    )
    return build_apply(net, variables)


def train_plan(
    net: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    settings: Settings,
    plan: np.ndarray,
    change: Callable | None,
    cross_entropy: CrossEntropy = _CROSS_ENTROPY,
) -> dict:
    """Train a net on minibatches that the caller chooses, and return its variables.

    Args:
      net: the net.
      x: images uint8 [N, H, W, C].
      y: what they show, array [N, ...].
      settings: training, with as many steps as the plan has rows.
      plan: int [steps, B], the rows of every minibatch.
      change: random change of the images, see `change_of`; None: none.
      cross_entropy: (logits, rows of y) -> [B].
    """
    variables, key = init_variables(net, x, settings), jax.random.key(settings.seed)
    optimizer, step = _build_planned_step(net, settings._replace(seed=0), change, cross_entropy)
    state = _init_state(variables, optimizer)
    for t, rows in enumerate(plan):
        batch = images.take_rows(x, rows), y[rows]
        state, _ = step(state, *batch, jax.random.fold_in(key, t))
    return _variables(state)


def train(
    net: nn.Module,
    x: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
    change: Callable | None,
    quiet: bool = False,
) -> dict:
    """Train a net and return its variables.

    Args:
      net: the net.
      x: images uint8 [N, S, S, C].
      labels: int32 [N]; images with labels below 0 are left out.
      settings: training.
      change: random change of the images, see `change_of`; None: none.
      quiet: print no progress.
    """
    key = jax.random.key(settings.seed)
    variables = init_variables(net, x, settings)
    optimizer, step = build_step(net, settings._replace(seed=0), change)
    state = _init_state(variables, optimizer)
    data = jnp.asarray(x), jnp.asarray(labels), rows_by_class(labels)
    interval = max(1, settings.steps // 10)
    for t in range(settings.steps):
        state, loss = step(state, data, jax.random.fold_in(key, t))
        if not quiet and (t + 1) % interval == 0:
            print(
                f"classifier: step {t + 1} of {settings.steps}, loss {float(loss):.3f}",
                file=sys.stderr,
                flush=True,
            )
    return _variables(state)


def _init_state(variables, optimizer) -> State:
    params = variables["params"]
    return params, variables["batch_stats"], optimizer.init(params)


def _variables(state):
    return {"params": state[0], "batch_stats": state[1]}


def init_variables(net: nn.Module, x: np.ndarray, settings: Settings) -> dict:
    """Initialise a net. x: images [N, H, W, C], of which only the shape counts."""
    return _compiled_init(net)(jax.random.key(settings.seed), jnp.zeros((1, *x.shape[1:])))


@functools.lru_cache(maxsize=8)
def _compiled_init(net):
    return compiling.jit(net.init)


def any_orientation(dataset: Dataset) -> bool:
    """Say whether the images mean the same in any orientation."""
    return change_of(dataset) is classifier_augment.dihedral


def change_of(dataset: Dataset) -> Callable | None:
    """Return the random change that training images of a data set may have; None for none."""
    return _CHANGES.get(datasets.kind_of_images(dataset.name))


def build_apply(net: nn.Module, variables: dict) -> Apply:
    """Build the `apply` of an Extractor, in batches of one shape, for one compilation."""
    run = _compiled_net(net)

    def embed(x):
        return jax.device_get(run(variables, x))

    return batched_apply(embed, "The classifier", _APPLY_BATCH, fill=True)


@functools.lru_cache(maxsize=8)
def _compiled_net(net):
    """Compile (variables, images uint8) -> (features, probabilities)."""

    def run(variables, x):
        features, logits = net.apply(variables, images.to_float(x, "tanh"))
        return features, jax.nn.softmax(logits)

    return compiling.jit(run)


def rows_by_class(labels: np.ndarray) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sort the rows by class, unlabelled ones first.

    Returns:
      int32 (rows [N]; place where each class that occurs begins [K]; its number of rows [K]).
    """
    order = np.argsort(labels, kind="stable")
    classes, start, count = np.unique(labels[order], return_index=True, return_counts=True)
    known = classes >= 0
    return (
        jnp.asarray(order, jnp.int32),
        jnp.asarray(start[known], jnp.int32),
        jnp.asarray(count[known], jnp.int32),
    )


def _balanced_rows(by_class, batch, key):
    """Draw rows int32 [batch]; every class that occurs is equally likely."""
    order, start, count = by_class
    class_key, row_key = jax.random.split(key)
    c = jax.random.randint(class_key, (batch,), 0, len(count))
    return order[start[c] + jax.random.randint(row_key, (batch,), 0, count[c])]


@functools.lru_cache(maxsize=8)
def build_step(
    net: nn.Module, settings: Settings, change: Callable | None
) -> tuple[optax.GradientTransformation, Callable]:
    """Build the training step of `fit`.

    Args:
      net: the net.
      settings: training; the seed is not used.
      change: as in `train`.

    Returns:
      (optimizer, compiled (state, (images, labels, rows by class), key) -> (state, loss)).
    """
    optimizer, update = build_update(net, settings)

    def step(state, data, key):
        x, labels, by_class = data
        rows_key, change_key = jax.random.split(key)
        rows = _balanced_rows(by_class, settings.batch, rows_key)
        batch = images.to_float(x[rows], "tanh")
        if change:
            batch = change(change_key, batch)
        return update(state, batch, labels[rows])

    return optimizer, compiling.jit(step, donate_argnums=0)


@functools.lru_cache(maxsize=8)
def _named_change(names):
    """Return the change of these names as `change_of` does: equal names give one function."""
    return functools.partial(classifier_augment.augment, names=names) if names else None


@functools.lru_cache(maxsize=8)
def _build_planned_step(net, settings, change, cross_entropy):
    """Build the training step of `train_plan`.

    Returns:
      (optimizer, compiled (state, images uint8 [B, H, W, C], y [B, ...], key) -> (state, loss)).
    """
    optimizer, update = build_update(net, settings, cross_entropy)

    def step(state, x, y, key):
        batch = images.to_float(x, "tanh")
        return update(state, change(key, batch) if change else batch, y)

    return optimizer, compiling.jit(step, donate_argnums=0)


def build_update(
    net: nn.Module, settings: Settings, cross_entropy: CrossEntropy = _CROSS_ENTROPY
) -> tuple[optax.GradientTransformation, Callable]:
    """Build one update of a classifier.

    Returns:
      (optimizer, (state, images float [B, S, S, C] in [-1, 1], labels int32 [B]) -> (state, loss)).
    """
    schedule = optax.warmup_cosine_decay_schedule(
        0, settings.learning_rate, settings.steps // 10, settings.steps
    )
    optimizer = optax.adamw(schedule, weight_decay=settings.weight_decay)
    value_and_grad = jax.value_and_grad(classification_loss, 1, has_aux=True)

    def update(state, x, y):
        params, batch_stats, opt = state
        (value, batch_stats), grads = value_and_grad(net, params, batch_stats, x, y, cross_entropy)
        updates, opt = optimizer.update(grads, opt, params)
        return (optax.apply_updates(params, updates), batch_stats, opt), value

    return optimizer, update


def classification_loss(
    net: nn.Module,
    params: Any,
    batch_stats: Any,
    x: jax.Array,
    y: jax.Array,
    cross_entropy: CrossEntropy = _CROSS_ENTROPY,
) -> tuple[jax.Array, Any]:
    """Compute the mean cross-entropy in nats.

    Args:
      net: the net.
      params: its parameters.
      batch_stats: its running statistics.
      x: images float [N, S, S, C] in [-1, 1].
      y: labels int [N].
      cross_entropy: (logits, labels) -> [N].

    Returns:
      (loss, new running statistics).
    """
    variables = {"params": params, "batch_stats": batch_stats}
    (_, logits), new = net.apply(variables, x, train=True, mutable=["batch_stats"])
    return cross_entropy(logits, y).mean(), new["batch_stats"]
