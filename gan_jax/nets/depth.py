"""The hidden layers of a discriminator, counted from the image on.

A layer is a convolution or a dense layer, with the norm that follows it; a residual block is one
layer. What reads the condition, the heads, and arrays of the net itself are none: with
`--freeze_disc` they stay free.

  dcgan and its relatives, s1, unet    one per convolution
  sngan                                one per convolution, two per side
  resnet                               one per residual block
  r3gan                                one per residual block, and per linear map between them
  mlp, keras, maxout, ali_points       one per dense layer
  plug-ins                             in the order of the calls; without a method `heads` the last
                                       one makes the logit, and does not count
"""

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

Path = tuple[str, ...]  # names of the modules from the net to one that holds parameters

_BLOCK: contextvars.ContextVar[object | None] = contextvars.ContextVar("block", default=None)
_NOT_HIDDEN = ("heads", "embed")  # methods whose layers do not count, see family and conditional


def one_layer(function: Callable) -> Callable:
    """Let all layers that a function applies count as one."""

    @functools.wraps(function)
    def as_one(*args, **kwargs):
        token = _BLOCK.set(object())
        try:
            return function(*args, **kwargs)
        finally:
            _BLOCK.reset(token)

    return as_one


def hidden_layers(net: nn.Module, inputs: tuple) -> list[list[Path]]:
    """List the hidden layers of a discriminator in the order in which they are computed.

    Args:
      net: the discriminator.
      inputs: example inputs, see core.method.Method.

    Returns:
      of each layer, the paths of the modules that hold its parameters.
    """
    called: list[tuple[Path, object]] = []
    skipped = set()  # methods of _NOT_HIDDEN that are running, or have ended the hidden layers

    def record(call, args, kwargs, context):
        name = context.method_name
        if name == "__call__" and not skipped:
            called.append((context.module.path, _BLOCK.get()))
        if name not in _NOT_HIDDEN or skipped:
            return call(*args, **kwargs)
        skipped.add(name)
        result = call(*args, **kwargs)
        skipped.discard("embed")  # what follows the heads is no hidden layer
        return result

    def init():
        return net.init(jax.random.key(0), *inputs, train=False)

    with nn.intercept_methods(record):
        params = jax.eval_shape(init)["params"]
    groups = _grouped(called, _kernels(params))
    return groups if "heads" in skipped else groups[:-1]


def _kernels(params) -> dict[Path, bool]:
    """Return {path of a layer that may be hidden: whether it has a kernel}."""
    out: dict[Path, bool] = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(params):
        path = tuple(key.key for key in keys)[:-1]
        out[path] = out.get(path, False) or leaf.ndim > 1
    nets = {path[:n] for path in out for n in range(len(path))}
    return {path: k for path, k in out.items() if path not in nets and path[-1:] != ("embed",)}


def _grouped(called: list[tuple[Path, Any]], kernels: dict[Path, bool]) -> list[list[Path]]:
    """Divide modules into layers: a kernel begins one, unless it is of the same block."""
    groups, before, leading = [], None, []
    for path, block in called:
        if path not in kernels or any(path in group for group in groups):
            continue
        if not groups and not kernels[path]:
            leading.append(path)  # a norm of the image
        elif kernels[path] and (block is None or block is not before or not groups):
            groups.append([*leading, path])
            leading, before = [], block
        else:
            groups[-1].append(path)
    return groups
