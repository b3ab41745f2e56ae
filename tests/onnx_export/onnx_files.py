"""Running exported files by ONNX Runtime, as pages do."""

import jax
import numpy as np
import pytest

from gan_jax.onnx_export import exporter


def open_session(content):
    """Open an ONNX file."""
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"])


def run_session(session, entry, arrays):
    """Run a file on those of the arrays that it takes. Returns {output: array}."""
    inputs = {name: arrays[name] for name in entry["inputs"]}
    return dict(zip(entry["outputs"], session.run(list(entry["outputs"]), inputs), strict=True))


def new_state(outputs):
    """Return {name: array} of the state among outputs."""
    return {k.removeprefix("new/"): v for k, v in outputs.items() if "state/" in k}


def named_leaves(trees):
    """Return {name: array} of a state, see update_steps.state_trees."""
    tree = {"state": trees}
    leaves = jax.device_get(jax.tree.leaves(tree))
    return dict(zip(exporter.leaf_paths(tree), leaves, strict=True))


def read_state(entry, content):
    """Return {name: array}: the state that a page makes of "begin-SEED.bin"."""
    weights, state, offset = np.frombuffer(content, np.float32), {}, 0
    for leaf in entry["state"]:
        name, size = leaf["name"], int(np.prod(leaf["shape"]))
        if name.startswith(("state/params/", "state/stats/")):
            state[name] = weights[offset : offset + size].reshape(leaf["shape"])
            offset += size
        elif name.startswith("state/ema/"):
            _, _, net, kind, *rest = name.split("/")
            state[name] = state["/".join(["state", kind, net, *rest])]
        else:
            state[name] = np.zeros(leaf["shape"], leaf["type"])
    assert offset == len(weights)
    return state
