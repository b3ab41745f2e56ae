import sys

import numpy as np
import pytest
from scipy import special

from gan_jax.metrics import features
from tests.metrics.helpers import assert_refused, random_dataset


def write_net(path, shape, kind="FLOAT", logits=None, **options):
    """Write a net that sums over the pixels, channels first or last.

    Args:
      path: the file.
      shape: declared shape of the images.
      kind: their type.
      logits: ONNX operation on the features that gives a second output, or None.
      **options: options of onnx.save.

    Returns:
      The spec of the file.
    """
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, types = onnx.helper, onnx.TensorProto
    x = helper.make_tensor_value_info("x", getattr(types, kind), shape)
    outputs = [helper.make_tensor_value_info("features", types.FLOAT, [shape[0], "f"])]
    axes = onnx.numpy_helper.from_array(np.array([2, 3] if shape[1] in (1, 3) else [1, 2]), "axes")
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=types.FLOAT),
        helper.make_node("ReduceSum", ["float", "axes"], ["features"], keepdims=0),
    ]
    if logits:
        nodes.append(helper.make_node(logits, ["features"], ["logits"]))
        outputs.append(helper.make_tensor_value_info("logits", types.FLOAT, [shape[0], "k"]))
    graph = helper.make_graph(nodes, "net", [x], outputs, [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, **options)
    return f"onnx:{path}"


@pytest.mark.parametrize(
    "shape",
    [
        ["n", 8, 8, 3],
        ["n", "h", "w", "c"],
        ["n", 3, 8, 8],
        ["n", 3, "h", "w"],
        [4, 8, 8, 3],
        [1, 3, 8, 8],
    ],
)
def test_features(tmp_path, shape):
    """Sums over the image, in [-1, 1], channels first or last as declared."""
    real, spec = random_dataset(10), write_net(tmp_path / "net.onnx", shape)
    space = features.load(real, None, spec)
    found, probs = space.apply(real.images)
    np.testing.assert_allclose(found, (real.images / 127.5 - 1).sum((1, 2)), rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32 and probs is None
    assert features.count_features(spec, real) == 3
    assert space.name.startswith("onnx-") and len(space.name) == 13 and space.resize == "none"


def test_logits(tmp_path):
    real, shape = random_dataset(5), ["n", 8, 8, 3]
    space = features.load(real, None, write_net(tmp_path / "net.onnx", shape, logits="Neg"))
    found, probs = space.apply(real.images)
    np.testing.assert_allclose(probs, special.softmax(-found.astype(np.float64), 1), rtol=1e-5)
    without = features.load(real, None, write_net(tmp_path / "b.onnx", shape))
    assert space.classes == () and space.name != without.name
    spec = write_net(tmp_path / "c.onnx", shape, logits="Softmax")
    assert_refused(spec, "it must give logits, before the softmax")


@pytest.mark.parametrize(
    "shape, kind, channels, match",
    [
        (
            ["n", 8, 8, 1],
            "FLOAT",
            3,
            r"\[n, 8, 8, 1\], and the images are \[N, 8, 8, 3\]; use a net",
        ),
        (["n", 3, "h", "w"], "FLOAT", 1, r"\[n, 3, h, w\], and the images are \[N, 8, 8, 1\]"),
        (["n", 16, 16, 3], "FLOAT", 3, r"\[n, 16, 16, 3\], and the images are \[N, 8, 8, 3\]"),
        (
            ["n", 8, 8, 3],
            "UINT8",
            3,
            r"tensor.uint8. \[n, 8, 8, 3\]; it must take one tensor.float.",
        ),
    ],
)
def test_nets_for_other_images_are_refused(tmp_path, shape, kind, channels, match):
    spec = write_net(tmp_path / "net.onnx", shape, kind)
    assert_refused(spec, f"takes {match}", random_dataset(channels=channels))


def test_files_without_a_net_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    options = {"save_as_external_data": True, "size_threshold": 0}
    spec, message = f"onnx:{path}", "is no ONNX file that can be run, weights included"
    assert_refused(write_net(path, ["n", 8, 8, 3], **options), message)
    path.write_bytes(b"no net")
    assert_refused(spec, message)


def test_without_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    path = tmp_path / "net.onnx"
    path.write_bytes(b"anything")
    message = r"needs ONNX Runtime; install it with: .*\[export\]'"
    assert_refused(f"onnx:{path}", message)
