"""`--features=classifier`: a small classifier, trained once on the data set's own labels.

`--features=random`: the same net, untrained; it gives features that compare sets, and no probabilities.
"""

import functools
import json
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from gan_jax import cache, errors, images
from gan_jax.data import classifier_augment
from gan_jax.metrics.features.extractor import Extractor, batched
from gan_jax.nets import classifier
from gan_jax.ops import cpu

VERSION = 1  # of the recipe below; raise it when the same settings would give another net
_SKY = ("galaxies", "galaxyzoo")  # sources whose images mean the same when turned or mirrored
_MAX_TRAIN, _MAX_HELDOUT = 60_000, 10_000  # images
_APPLY_BATCH = 250


class Settings(NamedTuple):
    """How a classifier is trained; part of the name of its cache entry."""

    steps: int = 600
    batch: int = 64
    learning_rate: float = 4e-3  # the highest; a warm-up of a tenth, then a cosine to 0
    weight_decay: float = 1e-3
    widths: tuple = classifier.WIDTHS
    seed: int = 0


def load(arg, source, heldout=None, settings=None):
    """The classifier of a data set, trained once and cached.

    Args:
      source: data.datasets.Dataset; its labelled images (label >= 0) train the classifier, each class equally often.
      heldout: Source whose labelled images measure the accuracy; None (or without labels): a tenth of `source`, which
        is then not trained on.
      settings: Settings of the training; None for `default_settings`.

    Returns:
      Extractor.

    Raises:
      InputError: fewer than two classes have labelled images.
    """
    check(arg, source)
    net, variables, report = trained(source, heldout, settings)
    return Extractor(
        report["name"],
        report["balanced_accuracy"],
        _normalised(report["confusion"]),
        source.classes,
        _applier(net, variables),
    )


def trained(source, heldout=None, settings=None):
    """(classifier.Classifier, its variables, its report) of a data set, trained once and cached. Arguments: see `load`; the
    source has two labelled classes."""
    settings = settings or default_settings(source)
    if heldout is not None and (heldout.labels is None or (heldout.labels < 0).all()):
        heldout = None
    what = {
        "version": VERSION,
        "digest": source.digest,
        "turned": _turned(source),
        **settings._asdict(),
        "heldout": heldout and heldout.digest,
    }
    folder = cache.entry(
        "classifier", what, lambda folder: _build(folder, source, heldout, settings)
    )
    with np.load(folder / "weights.npz") as file:
        variables = traverse_util.unflatten_dict(dict(file), sep="/")
    report = json.loads((folder / "report.json").read_text())
    net = classifier.Classifier(len(source.classes), settings.widths)
    return net, variables, report | {"name": f"classifier-{folder.name[:8]}"}


def fit(source, settings):
    """Trains a classifier on a source's labelled images, each class equally often; it is neither measured nor kept.

    Programs are compiled once for all sources of as many images with the same classes among their labels.

    Args:
      source: data.datasets.Dataset with labels int32 [N], of which one at least is >= 0. settings: Settings.

    Returns:
      images uint8 [N, H, W, C] -> (features float32 [N, F], probabilities float32 [N, K]), as an Extractor's.
    """
    net = classifier.Classifier(len(source.classes), settings.widths)
    return _applier(
        net, _train(net, source.images, source.labels, settings, _turned(source), quiet=True)
    )


def fit_plan(source, settings, plan, change=""):
    """Trains a classifier on minibatches that the caller has chosen; it is neither measured nor kept.

    Images go to the device one minibatch at a time, so that one program serves sources of any length.

    Args:
      source: data.datasets.Dataset with labels int32 [N]. settings: Settings, with as many steps as the plan has rows.
      plan: int [steps, B], the row numbers of every minibatch; none of them unlabelled.
      change: how training images are changed at random, see classifier_augment.change.

    Returns:
      As `fit`.
    """
    net = classifier.Classifier(len(source.classes), settings.widths)
    variables, key = initial(net, source.images, settings), jax.random.key(settings.seed)
    optimizer, step = _build_planned_step(net, settings._replace(seed=0), change)
    state = variables["params"], variables["batch_stats"], optimizer.init(variables["params"])
    for t, rows in enumerate(plan):
        state, _ = step(state, source.images[rows], source.labels[rows], jax.random.fold_in(key, t))
    return _applier(net, {"params": state[0], "batch_stats": state[1]})


def check(arg, source):
    """Number of features; refuses data without two labelled classes."""
    n = n_labelled(source)
    if n < 2:
        raise errors.InputError(
            f"--features=classifier needs two classes with labelled images, and --data={source.name} has {n}; use "
            "--features=auto, random, pixels, onnx:FILE, python:MODULE:NAME or inception:FILE."
        )
    return default_settings(source).widths[-1]


def n_labelled(source):
    """Classes that have labelled images."""
    return 0 if source.labels is None else len(np.unique(source.labels[source.labels >= 0]))


def load_random(arg, source, heldout=None, settings=None):
    """Extractor of the net with the weights that training would begin from."""
    settings = settings or default_settings(source)
    net = classifier.Classifier(max(1, len(source.classes)), settings.widths)
    embed = _applier(net, initial(net, source.images, settings))
    return Extractor("random", None, None, source.classes, lambda x: (embed(x)[0], None))


def default_settings(source):
    """Longer training for large sets of other things than galaxies: 98.7 % of MNIST's digits after 600 steps, 99.1 % after
    2,000."""
    return Settings() if _turned(source) or len(source.images) < 20_000 else Settings(steps=2000)


def initial(net, x, settings):
    """Variables that training begins from. x: images [N, H, W, C], of which only the shape counts."""
    return _initial(net, jax.random.key(settings.seed), jnp.zeros((1, *x.shape[1:])))


@functools.partial(jax.jit, static_argnums=0)
def _initial(net, key, x):
    return net.init(key, x)


def _turned(source):
    return source.name.partition(":")[0] in _SKY


def _applier(net, variables):
    """images uint8 [N, H, W, C] -> (features [N, F], probs [N, K]), in batches of one shape, for one compilation."""
    return batched(
        lambda x: jax.device_get(_embed(net, variables, x)),
        "The classifier",
        _APPLY_BATCH,
        fill=True,
    )


@functools.partial(jax.jit, static_argnums=0)
def _embed(net, variables, x):
    features, logits = net.apply(variables, images.to_float(x, "tanh"))
    return features, jax.nn.softmax(logits)


def _build(folder, source, heldout, settings):
    """Trains and measures a classifier; writes weights.npz and report.json into the folder."""
    order = np.random.default_rng(settings.seed).permutation(np.flatnonzero(source.labels >= 0))
    if heldout is None:
        n_test = max(1, len(order) // 10)
        test, test_rows, rows = source, order[:n_test], order[n_test:]
    else:
        test, rows = heldout, order
        test_rows = np.random.default_rng(settings.seed).permutation(
            np.flatnonzero(heldout.labels >= 0)
        )
    rows, test_rows = np.sort(rows[:_MAX_TRAIN]), np.sort(test_rows[:_MAX_HELDOUT])
    net = classifier.Classifier(len(source.classes), settings.widths)
    variables = _train(net, source.images[rows], source.labels[rows], settings, _turned(source))
    _, probs = _applier(net, variables)(test.images[test_rows])
    report = _report(test.labels[test_rows], probs.argmax(1), source.classes)
    print(
        f"classifier: balanced accuracy {report['balanced_accuracy']:.3f} on {len(test_rows)} held-out images",
        file=sys.stderr,
    )
    weights = traverse_util.flatten_dict(jax.device_get(variables), sep="/")
    np.savez(folder / "weights.npz", **weights)
    report |= {"n_train": len(rows), "n_heldout": len(test_rows)}
    (folder / "report.json").write_text(json.dumps(report, indent=1))


def _report(labels, predicted, classes):
    """Accuracies of predictions int [N]; a class with no image has no recall and no part in the balanced accuracy."""
    k = len(classes)
    confusion = np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
    n = confusion.sum(1)
    recall = [float(confusion[i, i] / n[i]) if n[i] else None for i in range(k)]
    return {
        "classes": list(classes),
        "accuracy": float((labels == predicted).mean()),
        "balanced_accuracy": float(np.mean([r for r in recall if r is not None])),
        "recall": recall,
        "confusion": confusion.tolist(),  # counts; rows are true classes
    }


def _normalised(confusion):
    confusion = np.asarray(confusion, np.float64)
    n = confusion.sum(1, keepdims=True)
    return np.where(n > 0, confusion / np.maximum(n, 1), np.eye(len(confusion)))


def _train(net, x, labels, settings, turned, quiet=False):
    """Trains net on images uint8 [N, S, S, C] and labels int32 [N], leaving out those below 0; returns its variables."""
    tenth = settings.steps // 10
    key = jax.random.key(settings.seed)
    variables = initial(net, x, settings)
    optimizer, step = build_step(net, settings._replace(seed=0), turned)
    state = variables["params"], variables["batch_stats"], optimizer.init(variables["params"])
    data = jnp.asarray(x), jnp.asarray(labels), rows_by_class(labels)
    for t in range(settings.steps):
        state, loss = step(state, data, jax.random.fold_in(key, t))
        if not quiet and (t + 1) % max(1, tenth) == 0:
            print(
                f"classifier: step {t + 1} of {settings.steps}, loss {float(loss):.3f}",
                file=sys.stderr,
                flush=True,
            )
    return {"params": state[0], "batch_stats": state[1]}


def rows_by_class(labels):
    """int32: row numbers by class [N], unlabelled ones first; where each class that occurs begins in them [K]; its rows [K]."""
    order = np.argsort(labels, kind="stable")
    classes, start, count = np.unique(labels[order], return_index=True, return_counts=True)
    return tuple(
        jnp.asarray(a, jnp.int32) for a in (order, start[classes >= 0], count[classes >= 0])
    )


def _balanced(by_class, batch, key):
    """Row numbers int32 [batch], every class that occurs equally likely."""
    order, start, count = by_class
    class_key, row_key = jax.random.split(key)
    c = jax.random.randint(class_key, (batch,), 0, len(count))
    return order[start[c] + jax.random.randint(row_key, (batch,), 0, count[c])]


def loss(net, params, stats, x, y, cross_entropy=optax.softmax_cross_entropy_with_integer_labels):
    """(mean cross-entropy in nats, running statistics) of images float [N, S, S, C] in [-1, 1] and labels int [N].

    cross_entropy: (logits [N, K], labels [N]) -> [N].
    """
    (_, logits), new = net.apply(
        {"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"]
    )
    return cross_entropy(logits, y).mean(), new["batch_stats"]


@functools.lru_cache(maxsize=8)
def build_step(net, settings, turned):
    """(optimizer, one update: (state, (images, labels, rows by class), key) -> (state, loss), compiled)."""
    optimizer, update = build_update(net, settings)

    def step(state, data, key):
        x, labels, by_class = data
        rows_key, turn_key = jax.random.split(key)
        rows = _balanced(by_class, settings.batch, rows_key)
        batch = images.to_float(x[rows], "tanh")
        return update(
            state, classifier_augment.turn(turn_key, batch) if turned else batch, labels[rows]
        )

    return optimizer, jax.jit(step, donate_argnums=0, compiler_options=cpu.compiler_options())


@functools.lru_cache(maxsize=8)
def _build_planned_step(net, settings, change):
    """(optimizer, one update: (state, images uint8 [B, S, S, C], labels int32 [B], key) -> (state, loss), compiled)."""
    optimizer, update = build_update(net, settings)

    def step(state, x, labels, key):
        return update(
            state, classifier_augment.change(key, images.to_float(x, "tanh"), change), labels
        )

    return optimizer, jax.jit(step, donate_argnums=0, compiler_options=cpu.compiler_options())


def build_update(net, settings, cross_entropy=optax.softmax_cross_entropy_with_integer_labels):
    """(optimizer, one update: (state, images float [B, S, S, C] in [-1, 1], labels int32 [B]) -> (state, loss)).

    cross_entropy: see `loss`.
    """
    schedule = optax.warmup_cosine_decay_schedule(
        0, settings.learning_rate, settings.steps // 10, settings.steps
    )
    optimizer = optax.adamw(schedule, weight_decay=settings.weight_decay)

    def update(state, x, y):
        params, stats, opt = state
        (value, stats), grads = jax.value_and_grad(loss, 1, has_aux=True)(
            net, params, stats, x, y, cross_entropy
        )
        updates, opt = optimizer.update(grads, opt, params)
        return (optax.apply_updates(params, updates), stats, opt), value

    return optimizer, update
