"""Conversion of functions of arrays to ONNX files."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.onnx_export import jaxpr_rewrite

OPSET = 20
BATCH = "B"  # name of an axis of any length
MAX_CONSTANT = 64  # elements; larger constants of one value are written as that value


class OnnxFile(NamedTuple):
    """One exported function."""

    content: bytes
    # For manifest.json: "inputs" and "outputs", each {name: {"shape", "type"}}, and "opset".
    entry: dict[str, Any]


def convert(f: Callable[[dict], dict], example: dict, name: str) -> OnnxFile:
    """Convert a function to an ONNX file. It may contain derivatives.

    An array's name is its path in the tree, such as "params/gen/out/bias". Inputs on which no
    output depends are left out. An output with the name of an input is called "new/" and that name.

    Args:
      f: function of a dict of trees of arrays to such a dict.
      example: its argument, with jax.ShapeDtypeStruct for arrays, see `spec`. Axes of any length
        come from one call of `batch_axis`.
      name: of the graph.
    """
    # They warn of examples that are not installed, and of types left open.
    for module in ("jax2onnx", "onnx_ir"):
        logging.getLogger(module).setLevel(logging.ERROR)
    import jax2onnx
    import onnx

    closed, out = jaxpr_rewrite.trace(f, example)
    is_used = jaxpr_rewrite.used_inputs(closed)
    leaves = zip(leaf_paths(example), jax.tree.leaves(example), is_used, strict=True)
    inputs = {path: leaf for path, leaf, used in leaves if used}
    outputs = {
        f"new/{path}" if path in inputs else path: leaf
        for path, leaf in zip(leaf_paths(out), jax.tree.leaves(out), strict=True)
    }
    model: Any = jax2onnx.to_onnx(
        jaxpr_rewrite.rewrite(closed),
        list(inputs.values()),
        model_name=name,
        opset=OPSET,
        input_names=list(inputs),
        output_names=list(outputs),
    )
    # Wrong where the exporter moves channels: Python's runtime warns of it, the browser's refuses
    # the file.
    del model.graph.value_info[:]
    _shrink(model.graph)
    onnx.checker.check_model(model, full_check=True)
    entry = {"inputs": _describe(inputs), "outputs": _describe(outputs), "opset": OPSET}
    return OnnxFile(model.SerializeToString(), entry)


def _shrink(graph: Any) -> None:
    """Drop unused constants, and write large constants of one value as that value.

    This saves a megabyte per file that has derivatives.
    """
    from onnx import helper, numpy_helper

    used = {name for node in graph.node for name in node.input}
    used |= {output.name for output in graph.output}
    nodes, constants = [], []
    for constant in graph.initializer:
        if constant.name not in used:
            continue
        values = numpy_helper.to_array(constant)
        if values.size <= MAX_CONSTANT or (values != values.flat[0]).any():
            constants.append(constant)
            continue
        shape = numpy_helper.from_array(np.array(values.shape, np.int64), f"{constant.name}_shape")
        value = numpy_helper.from_array(values.flat[:1].copy())
        nodes.append(
            helper.make_node("ConstantOfShape", [shape.name], [constant.name], value=value)
        )
        constants.append(shape)
    nodes += graph.node
    for field, new in ((graph.initializer, constants), (graph.node, nodes)):
        del field[:]
        field.extend(new)


def batch_axis(n: int = 0) -> Any:
    """Return the length of the batch axis of an example: n, or any length for 0."""
    return n or jax.export.symbolic_shape(BATCH)[0]


def spec(*shape: Any, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """Return an array of an example."""
    return jax.ShapeDtypeStruct(shape, dtype)


def leaf_paths(tree: Any) -> list[str]:
    """Return the path "a/b/c" of every leaf of a tree, in order."""
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _describe(specs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {name: {"shape", "type"}} of arrays; an axis of any length has its name."""
    return {
        name: {
            "shape": [n if isinstance(n, int) else str(n) for n in array.shape],
            "type": str(array.dtype),
        }
        for name, array in specs.items()
    }
