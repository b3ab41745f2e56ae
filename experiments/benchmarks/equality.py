"""Do our step and PyTorch's compute the same? Losses, gradients and statistics of one update of every player, in float64.

Both begin from the same weights and see the same minibatch. What is random is recorded where ours draws it, and PyTorch is
given these numbers. An update is plain gradient descent, so that a later player begins from weights that an earlier one has
moved, and so that rounding is not magnified, as by Adam's first step. Nets are thin and batches small; the layers are the same.
Running variances are not compared: PyTorch's are unbiased by definition.
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import traverse_util

from experiments.benchmarks import torch_nets, torch_steps
from gan_jax import methods
from gan_jax.core import parallel, step
from gan_jax.core.method import make_context
from gan_jax.core.state import init_jitted
from gan_jax.metrics.features import classifier
from gan_jax.nets.classifier import Classifier

TOLERANCE = 1e-8  # of the largest value of an array
NEGLIGIBLE = 1e-5  # of a net's largest gradient: what is smaller may be rounding alone, and is compared with this instead
RATE = 0.1
STEPS, AT = (
    1000,
    600,
)  # length of the run and the step that is made, at which Morpho-GAN's weights of losses are on the move


def _keep(rate):
    """Gradient descent whose state is the gradient."""
    scaled = lambda g, state, params=None: (jax.tree.map(lambda a: -rate * a, g), g)
    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), scaled)


@contextlib.contextmanager
def recorded():
    """A list of all that `parallel.random_rows` gives meanwhile."""
    draw, taken = parallel.random_rows, []

    def record(*args):
        taken.append(draw(*args))
        return taken[-1]

    parallel.random_rows = record
    try:
        yield taken
    finally:
        parallel.random_rows = draw


def _double(tree):
    return jax.tree.map(
        lambda a: a.astype(jnp.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree
    )


def build(spec):
    """(Method whose players keep their gradients, float32 GanState)."""
    method = methods.TABLE[spec.method].build(spec.hp, spec.shape, STEPS)
    method = method._replace(players=tuple(p._replace(tx=_keep(RATE)) for p in method.players))
    return method, init_jitted(method, 0).replace(step=jnp.int32(AT))


def our_update(method, index, state, batch, key):
    """(state, loss, what was drawn) after one update of a player."""

    def update(state, batch, key):
        ctx = make_context(method, controls=state.controls, progress=AT / STEPS, step=state.step)
        with recorded() as taken:
            state, metrics = step.update_player(method, index, ctx, state, batch, key)
        return state, metrics["loss"], tuple(taken)

    return jax.jit(update)(state, batch, key)


def torch_nets_of(spec, params, stats, dtype=torch.float64):
    """{net: torch module} with our weights."""
    numpy = lambda tree: jax.tree.map(np.asarray, tree)
    classes = torch_nets.NETS[spec.hp.net]
    return {
        n: classes[n](numpy(params[n]), numpy(stats[n]), spec.hp, spec.shape).to(dtype)
        for n in params
    }


def _tensor(array):
    array = torch_nets.image(array)
    return torch.from_numpy(array.astype(np.int64) if array.dtype == np.int32 else array.copy())


def _error(ours, theirs, floor=0.0):
    """Largest difference over our largest value."""
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), floor, 1e-300))


def _in_form(net, tree):
    """{torch name: our array in PyTorch's layout} of our tree of weights, gradients or statistics."""
    flat = traverse_util.flatten_dict(jax.tree.map(np.asarray, tree))
    return {
        ".".join(path): net.get_submodule(".".join(path[:-1])).form(path[-1], array)
        for path, array in flat.items()
    }


def differences(net, tree, tensors):
    """{name: relative difference} of our tree and {torch name: tensor}."""
    ours = _in_form(net, tree)
    floor = NEGLIGIBLE * max(np.abs(a).max() for a in ours.values())
    return {
        name: _error(array, tensors[name].detach().numpy(), floor) for name, array in ours.items()
    }


def _batch(spec, rng):
    low = -1 if spec.hp.pixels == "tanh" else 0
    batch = {"image": rng.uniform(low, 1, (spec.batch, spec.size, spec.size, spec.colors))}
    return batch | (
        {"label": rng.integers(0, spec.n_classes, spec.batch).astype(np.int32)}
        if spec.n_classes
        else {}
    )


def training(spec, slope=torch_steps.slope_eager):
    """{what: relative difference} of a training step: {"disc loss", "disc disc.Dense_0.kernel gradient", ...}."""
    method, state = build(spec)
    rng, out, shared = np.random.default_rng(0), {}, torch_steps.SHARED.get(spec.method)
    with jax.enable_x64(True):
        state = state.replace(
            params=_double(state.params), batch_stats=_double(state.batch_stats), opt_state=_double(state.opt_state)
        )
        nets = torch_nets_of(spec, state.params, state.batch_stats)
        model, batch, fake = (
            torch_steps.Model(nets, spec.hp, spec.n_classes, slope),
            _batch(spec, rng),
            (),
        )
        model.progress = AT / STEPS
        for index, player in enumerate(torch_steps.PLAYERS[spec.method]):
            batch, key = (batch, 0) if shared else (_batch(spec, rng), index)
            state, loss, taken = our_update(method, index, state, batch, jax.random.key(key))
            replay = torch_steps.Replay(map(_tensor, taken))
            theirs = {k: _tensor(v) for k, v in batch.items()}
            if shared and not fake:
                torch_steps.wanted(model, torch_steps.PLAYERS[spec.method][-1])
                fake = (shared(model, theirs, replay, "train"),)
            value = _descend(model, player, theirs, replay, *fake)
            if not shared:
                replay.close()
            out[f"{player.name} loss"] = _error(np.asarray(loss), value)
            for name in player.nets:
                found = _of_net(
                    nets[name], state.params[name], state.opt_state[player.name][name], state.batch_stats[name]
                )
                out |= {f"{player.name} {name}.{k}": e for k, e in found.items()}
    return out


def _descend(model, player, batch, draws, *fake):
    """One update of a player by gradient descent, which leaves its gradients; returns its loss."""
    loss = torch_steps.differentiate(model, player, player.loss, batch, draws, *fake)
    for weight in torch_steps.wanted(model, player):
        weight.data = weight.data - RATE * weight.grad
    return loss.item()


def _of_net(net, params, grads, stats):
    """{what: relative difference} of our trees and a torch net after an update."""
    weights = dict(net.named_parameters())
    out = differences(net, params, weights)
    out |= {
        f"{k} gradient": e
        for k, e in differences(net, grads, {k: p.grad for k, p in weights.items()}).items()
    }
    means, buffers = _in_form(net, stats), dict(net.named_buffers())
    return out | {k: _error(a, buffers[k].numpy()) for k, a in means.items() if k.endswith("mean")}


def of_classifier(spec):
    """{what: relative difference} of the classifier's loss and gradients."""
    net, batch = Classifier(spec.n_classes), _batch(spec, np.random.default_rng(0))
    variables = net.init(jax.random.key(0), jnp.zeros((1, spec.size, spec.size, spec.colors)))
    with jax.enable_x64(True):
        params, stats = _double(variables["params"]), _double(variables["batch_stats"])
        (loss, _), grads = jax.jit(
            jax.value_and_grad(classifier.loss, 1, has_aux=True), static_argnums=0
        )(net, params, stats, batch["image"], batch["label"])
        numpy = [jax.tree.map(np.asarray, tree) for tree in (params, stats)]
        theirs = torch_nets.Classifier(*numpy)
        logits = theirs(_tensor(batch["image"]), "train")
        value = torch.nn.functional.cross_entropy(logits, _tensor(batch["label"]))
        value.backward()
        found = differences(theirs, grads, {k: p.grad for k, p in theirs.named_parameters()})
    return {"loss": _error(np.asarray(loss), value.item())} | {
        f"{k} gradient": e for k, e in found.items()
    }


def of_sampling(spec):
    """{what: relative difference} of images made with running statistics."""
    method, state = build(spec)
    with jax.enable_x64(True):
        state = state.replace(params=_double(state.params), batch_stats=_double(state.batch_stats))
        z = np.random.default_rng(0).uniform(-1, 1, (spec.batch, spec.hp.z_dim))
        ours = jax.jit(
            lambda vs, z: method.sample(make_context(method), vs, z, None, jax.random.key(0))
        )(state.vars(), z)
        with torch.no_grad():
            theirs = torch_nets_of(spec, state.params, state.batch_stats)["gen"](
                torch.from_numpy(z), "running"
            )
    return {"images": _error(torch_nets.image(ours), theirs.numpy())}


CHECKS = {"training": training, "classifier": of_classifier, "sampling": of_sampling}


def check(spec):
    """(largest relative difference, where it is) between ours and PyTorch's, with thin nets and few images."""
    found = CHECKS[spec.kind](spec.small())
    where = max(found, key=lambda k: found[k] if np.isfinite(found[k]) else np.inf)
    return found[where], where
