"""Do our step and PyTorch's compute the same? One update of every player, in float64.

Losses, gradients, weights and running means are compared. Both begin with the same weights and see
the same minibatch; our random numbers are recorded and given to PyTorch. An update is plain
gradient descent, so that a later player begins with weights that an earlier one has moved, and so
that rounding is not magnified, as by Adam's first step. Nets are thin and batches small; the layers
are the same. Running variances are not compared: PyTorch's are unbiased by definition.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import traverse_util
from torch import Tensor

from experiments.benchmarks import torch_nets, torch_steps
from experiments.benchmarks.workloads import Workload
from gan_jax.core import parallel, step
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import Method, make_context
from gan_jax.core.state import GanState
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Classifier
from gan_jax.ops import random

Differences = dict[str, float]  # {what: relative difference}

TOLERANCE = 1e-8  # of the largest value of an array
# Of a net's largest gradient: a smaller array may be rounding, and is compared with this instead.
NEGLIGIBLE = 1e-5
RATE = 0.1
# Length of the run and the step that is compared: Morpho-GAN's loss weights are moving there.
STEPS, AT = 1000, 600


def _keep_gradient(grads, state, params=None):
    """Gradient descent whose state is the gradient."""
    return jax.tree.map(lambda g: -RATE * g, grads), grads


def _double(tree):
    is_float = lambda a: jnp.issubdtype(a.dtype, jnp.floating)
    return jax.tree.map(lambda a: a.astype(jnp.float64) if is_float(a) else a, tree)


def _numpy(tree):
    return jax.tree.map(np.asarray, tree)


def build(workload: Workload) -> tuple[Method, GanState]:
    """Build a method whose players keep their gradients, and its float64 state; needs x64."""
    tx = optax.GradientTransformation(lambda p: jax.tree.map(jnp.zeros_like, p), _keep_gradient)
    with jax.enable_x64(False):
        method = workload.build(STEPS)
        method = method._replace(players=tuple(p._replace(tx=tx) for p in method.players))
        state = init_jitted(method, 0).replace(step=jnp.int32(AT))
    parts = {name: getattr(state, name) for name in ("params", "batch_stats", "opt_state")}
    return method, state.replace(**_double(parts))


def our_update(
    method: Method, index: int, state: GanState, batch: dict, key: jax.Array
) -> tuple[GanState, jax.Array, tuple[jax.Array, ...]]:
    """Update one player: (state, loss, random numbers in the order of their use)."""

    def update(state, batch, key):
        recorded = []

        def record(sampler, key, shape):
            recorded.append(random.fast_sampler(sampler)(key, shape))
            return recorded[-1]

        ctx = make_context(method, controls=state.controls, progress=AT / STEPS, step=state.step)
        with parallel.noise_from(record):
            state, metrics = step.update_player(method, index, ctx, state, batch, key)
        return state, metrics["loss"], tuple(recorded)

    return jax.jit(update)(state, batch, key)


def _nets(workload, state):
    """PyTorch's nets with the weights of a float64 state."""
    trees = _numpy(state.params), _numpy(state.batch_stats)
    nets = torch_nets.build(*trees, workload.hp, workload.data_spec)
    return {name: net.double() for name, net in nets.items()}


def _tensor(array):
    array = torch_nets.image_layout(array)
    return torch.from_numpy(array.astype(np.int64) if array.dtype == np.int32 else array.copy())


def _difference(ours, theirs, floor=0.0):
    """Largest difference over our largest value."""
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), floor, 1e-300))


def differences(net: torch_nets.Net, tree: Any, tensors: dict[str, Tensor | None]) -> Differences:
    """Compare our weights, gradients or statistics with {name in a net: tensor}.

    Returns:
      {name: relative difference}, of the names in `tensors`.
    """
    ours = {}
    for path, array in traverse_util.flatten_dict(_numpy(tree)).items():
        layer = net.get_submodule(".".join(path[:-1]))
        ours[".".join(path)] = layer.layout(path[-1], array)
    floor = NEGLIGIBLE * max((np.abs(a).max() for a in ours.values()), default=0)
    theirs = {name: tensors[name].detach().numpy() for name in ours if name in tensors}
    return {name: _difference(ours[name], array, floor) for name, array in theirs.items()}


def _gradients(net):
    return {name: p.grad for name, p in net.named_parameters()}


def _random_batch(workload):
    rng, low = np.random.default_rng(0), -1 if workload.hp.pixels == "tanh" else 0
    shape = workload.batch, workload.size, workload.size, workload.colors
    batch = {"image": rng.uniform(low, 1, shape)}
    if workload.n_classes:
        batch["label"] = rng.integers(0, workload.n_classes, workload.batch).astype(np.int32)
    return batch, {name: _tensor(array) for name, array in batch.items()}


def compare_training(workload: Workload, slope=torch_steps.slope_eager) -> Differences:
    """Compare one training step: {"disc loss", "disc disc.Dense_0.kernel gradient", ...}."""
    (method, state), out, fake = build(workload), {}, ()
    nets, shared = _nets(workload, state), torch_steps.SHARED.get(workload.method)
    model = torch_steps.Model(nets, workload.hp, workload.n_classes, slope)
    model.progress, (batch, tensors) = AT / STEPS, _random_batch(workload)
    players = torch_steps.PLAYERS[workload.method]
    for index, player in enumerate(players):
        key = jax.random.key(0 if shared else index)
        state, loss, recorded = our_update(method, index, state, batch, key)
        noise = torch_steps.RecordedNoise(map(_tensor, recorded))
        if shared and not fake:
            torch_steps.trained_weights(model, players[-1])
            fake = (shared(model, tensors, noise, "train"),)
        value = torch_steps.differentiate(model, player, player.loss, tensors, noise, *fake)
        for weight in torch_steps.trained_weights(model, player):
            weight.data = weight.data - RATE * weight.grad
        if not shared:
            noise.close()
        out[f"{player.name} loss"] = _difference(np.asarray(loss), value.item())
        for name in player.nets:
            net, grads = nets[name], state.opt_state[player.name][name]
            means = {n: b for n, b in net.named_buffers() if n.endswith("mean")}
            errors = differences(net, state.params[name], dict(net.named_parameters()))
            errors |= differences(net, state.batch_stats[name], means)
            for key, value in differences(net, grads, _gradients(net)).items():
                errors[f"{key} gradient"] = value
            out |= {f"{player.name} {name}.{k}": d for k, d in errors.items()}
    return out


def compare_classifier(workload: Workload) -> Differences:
    """Compare the classifier's loss and gradients."""
    net, (batch, tensors) = Classifier(workload.n_classes), _random_batch(workload)
    with jax.enable_x64(False):
        variables = net.init(jax.random.key(0), jnp.zeros(batch["image"].shape))
    params, stats = _double(variables["params"]), _double(variables["batch_stats"])
    value_and_grad = jax.value_and_grad(classifier_training.classification_loss, 1, has_aux=True)
    loss_and_grads = jax.jit(value_and_grad, static_argnums=0)
    (loss, _), grads = loss_and_grads(net, params, stats, batch["image"], batch["label"])
    theirs = torch_nets.Classifier(_numpy(params), _numpy(stats))
    logits = theirs(tensors["image"], "train")
    value = torch.nn.functional.cross_entropy(logits, tensors["label"])
    value.backward()
    of_loss = {"loss": _difference(np.asarray(loss), value.item())}
    return of_loss | differences(theirs, grads, _gradients(theirs))


def compare_sampling(workload: Workload) -> Differences:
    """Compare images that are sampled with running statistics."""
    method, state = build(workload)
    ctx, shape = make_context(method), (workload.batch, workload.hp.z_dim)
    z = np.random.default_rng(0).uniform(-1, 1, shape)
    sample = jax.jit(lambda vs, z: method.sample(ctx, vs, z, None, jax.random.key(0)))
    ours = torch_nets.image_layout(sample(state.vars(), z))
    with torch.no_grad():
        theirs = _nets(workload, state)["gen"](torch.from_numpy(z), "running")
    return {"images": _difference(ours, theirs.numpy())}


KINDS = {
    "training": compare_training,
    "classifier": compare_classifier,
    "sampling": compare_sampling,
}


def check(workload: Workload, **options) -> tuple[float, str]:
    """Compare thin nets on few images: (largest relative difference, where it is)."""
    with jax.enable_x64(True):
        errors = KINDS[workload.kind](workload.small(), **options)
    where = max(errors, key=lambda k: errors[k] if np.isfinite(errors[k]) else np.inf)
    return errors[where], where
