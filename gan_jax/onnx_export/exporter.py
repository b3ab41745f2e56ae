"""ONNX files from functions of arrays."""

import logging

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.onnx_export import jaxpr_rewrite

OPSET = 20
BATCH = "B"  # name of an axis of any length


def convert(f, example, name):
    """An ONNX file of a function, derivatives within it or not.

    Args:
      f: function of one dict of trees of arrays, to a dict of such trees.
      example: its argument, with jax.ShapeDtypeStruct for arrays, see `spec`; all from one call of `batch_axis`.
      name: of the graph.

    Returns:
      (bytes; {"inputs": ..., "outputs": ...} for manifest.json, each {name: {"shape", "type"}}). Names are the path of an array
      in the tree, "params/gen/out/bias". Inputs that the outputs do not depend on are left out. An output with the name of an
      input is called "new/" and that name in the file.
    """
    for module in (
        "jax2onnx",
        "onnx_ir",
    ):  # they warn of examples that are not installed, and of types left open
        logging.getLogger(module).setLevel(logging.ERROR)
    import jax2onnx
    import onnx

    closed, out = jaxpr_rewrite.trace(f, example)
    inputs = dict(zip(names(example), jax.tree.leaves(example), strict=True))
    inputs = {
        n: leaf
        for (n, leaf), keep in zip(inputs.items(), jaxpr_rewrite.used(closed), strict=True)
        if keep
    }
    outputs = {
        f"new/{n}" if n in inputs else n: leaf
        for n, leaf in zip(names(out), jax.tree.leaves(out), strict=True)
    }
    model = jax2onnx.to_onnx(
        jaxpr_rewrite.function(closed),
        list(inputs.values()),
        model_name=name,
        opset=OPSET,
        input_names=list(inputs),
        output_names=list(outputs),
    )
    # Wrong where the exporter moves channels: Python's runtime warns of it, the browser's refuses the file.
    del model.graph.value_info[:]
    _shrink(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), {
        "inputs": _described(inputs),
        "outputs": _described(outputs),
        "opset": OPSET,
    }


def _shrink(graph):
    """Leaves out constants that nothing reads, and writes those that hold one number many times as that number: a megabyte
    per file that has derivatives."""
    from onnx import helper, numpy_helper

    read = {name for node in graph.node for name in node.input} | {
        output.name for output in graph.output
    }
    nodes, kept = [], []
    for constant in graph.initializer:
        if constant.name not in read:
            continue
        values = numpy_helper.to_array(constant)
        if values.size <= 64 or (values != values.flat[0]).any():
            kept.append(constant)
            continue
        shape = numpy_helper.from_array(np.array(values.shape, np.int64), f"{constant.name}_shape")
        value = numpy_helper.from_array(values.flat[:1].copy())
        nodes.append(
            helper.make_node("ConstantOfShape", [shape.name], [constant.name], value=value)
        )
        kept.append(shape)
    nodes += graph.node
    for field, new in ((graph.initializer, kept), (graph.node, nodes)):
        del field[:]
        field.extend(new)


def batch_axis(n=0):
    """The length of the batch axis of an example: n, or any length."""
    return n or jax.export.symbolic_shape(BATCH)[0]


def spec(*shape, dtype=jnp.float32):
    """An array of an example."""
    return jax.ShapeDtypeStruct(shape, dtype)


def names(tree):
    """The path "a/b/c" of every leaf of a tree, in its order."""
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _described(specs):
    side = lambda n: n if isinstance(n, int) else str(n)
    return {
        name: {"shape": [side(n) for n in s.shape], "type": str(s.dtype)}
        for name, s in specs.items()
    }
