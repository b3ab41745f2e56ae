"""Feature spaces: what each kind gives, against formulas and other programs where installed; and specs that are refused."""

import sys

import numpy as np
import pytest
from scipy import special

from gan_jax import errors
from gan_jax.data import datasets
from gan_jax.metrics import features
from gan_jax.metrics.features import extractor as extractors
from gan_jax.metrics.features import inception, pixels
from gan_jax.nets import inception as nets
from tests.reference import inception as reference


def data(n=6, height=8, width=8, channels=3, labels=None, classes=()):
    images = (
        np.random.default_rng(0).integers(0, 256, (n, height, width, channels)).astype(np.uint8)
    )
    return datasets.Dataset(images, labels, classes, "some", "digest")


def refused(spec, match, real=None):
    """Both `check` and `load` with a look at the images refuse it, in one line."""
    real = data() if real is None else real
    for attempt in (
        lambda: features.count_features(spec, real),
        lambda: features.load(real, None, spec).apply(real.images),
    ):
        with pytest.raises(errors.InputError, match=match) as caught:
            attempt()
        assert "\n" not in str(caught.value)


# Which space


def test_unknown_specs_are_refused():
    refused(
        "vgg",
        "--features=vgg names no known feature space; use one of auto, classifier, .*inception-clean:FILE",
    )
    refused("onnx", "--features=onnx has nothing after the name; write onnx:FILE")
    refused("pixels:16", "--features=pixels:16 has too much after the name; write pixels")
    for kind in ("onnx", "inception", "inception-clean"):
        refused(
            f"{kind}:/no/such/file.npz",
            f"--features={kind}:/no/such/file.npz: .* cannot be read .No such file",
        )
    refused("onnx:/", "cannot be read .Is a directory")


@pytest.mark.parametrize(
    "labels, n",
    [(None, 0), (np.full(6, -1, np.int32), 0), (np.array([1, 1, -1, 1, 1, 1], np.int32), 1)],
)
def test_a_classifier_needs_two_classes(labels, n):
    real = data(labels=labels, classes=() if labels is None else ("a", "b"))
    refused(
        "classifier",
        f"needs two classes with labelled images, and --data=some has {n}; use --features=auto, random",
        real,
    )
    assert features.load(real).name == "random"


def test_a_classifier_is_checked_without_training(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    real = data(labels=np.array([0, 1] * 3, np.int32), classes=("a", "b"))
    assert (
        features.count_features("auto", real) == features.count_features("classifier", real) == 64
    )
    assert not list(tmp_path.iterdir())


def test_a_random_net_may_be_asked_for():
    real, settings = (
        data(labels=np.array([0, 1] * 3, np.int32), classes=("a", "b")),
        features.Settings(widths=(4,)),
    )
    space = features.load(real, None, "random", settings)
    found, probs = space.apply(real.images)
    np.testing.assert_array_equal(
        found, features.load(real._replace(labels=None), settings=settings).apply(real.images)[0]
    )
    assert space.name == "random" and space.accuracy is None and probs is None


# Pixels


@pytest.mark.parametrize(
    "height, width, channels", [(8, 8, 1), (32, 20, 3), (64, 96, 2), (33, 32, 1), (100, 47, 1)]
)
def test_pixels(height, width, channels):
    """Box means by counting: every pixel cut into n equal pieces, every box made of as many pieces as the side has pixels."""
    real = data(3, height, width, channels)
    space = features.load(real, None, "pixels")
    h, w = min(height, 32), min(width, 32)
    fine = (real.images / 255).repeat(h, 1).repeat(w, 2)
    expected = fine.reshape(3, h, height, w, width, channels).mean((2, 4)).reshape(3, -1)
    found, probs = space.apply(real.images)
    assert (
        found.dtype == np.float32
        and probs is None
        and features.count_features("pixels", real) == h * w * channels
    )
    np.testing.assert_allclose(found, expected, atol=2e-7)
    assert space.name == f"pixels-{h}x{w}x{channels}"
    assert space.resize == ("none" if max(height, width) <= 32 else f"box average to {h}x{w}")
    if space.resize == "none":
        np.testing.assert_array_equal(found, real.images.reshape(3, -1) / np.float32(255))


def test_in_batches(monkeypatch):
    real = data(7)
    whole = features.load(real, None, "pixels").apply(real.images)[0]
    monkeypatch.setattr(pixels, "_BATCH", 3)
    np.testing.assert_array_equal(features.load(real, None, "pixels").apply(real.images)[0], whole)


# Python functions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Function of a module's text: its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(text, name="my_space"):
        (tmp_path / f"{name}.py").write_text(f"import numpy as np\n{text}\n")
        sys.modules.pop(name, None)
        return f"python:{name}:embed"

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("my_space"):
            del sys.modules[name]


def test_a_function(module):
    real = data(600)
    before = real.images.copy()
    spec = module(
        "def embed(images):\n    images[:, 0] = 0\n    return images.mean((1, 2)).tolist()"
    )
    space = features.load(real, None, spec)
    found, probs = space.apply(real.images)
    assert (
        found.shape == (600, 3)
        and found.dtype == np.float32
        and probs is None
        and features.count_features(spec, real) == 3
    )
    np.testing.assert_allclose(found, before[:, 1:].sum((1, 2)) / 64, rtol=1e-6)
    np.testing.assert_array_equal(real.images, before)  # the function got a copy
    assert features.load(real, None, spec).name == space.name
    changed = module("def embed(images):\n    return images.max((1, 2))")
    assert changed == spec and features.load(real, None, changed).name != space.name


@pytest.mark.parametrize(
    "body, match",
    [
        (
            "return images.mean((1, 2))[:1].repeat(3, 0)",
            r"gives \[3, 3\] for 2 images; it must give \[2, F\]|for 6 images",
        ),
        ("return images.mean((1, 2, 3))", r"gives \[2\] for 2 images|gives \[6\] for 6 images"),
        ("return np.zeros((len(images), 0))", r"gives \[\d, 0\] for"),
        (
            "return np.full((len(images), 2), np.nan)",
            "gives infinite or undefined values .image 0 of",
        ),
        ("return np.full((len(images), 2), 1e300)", "gives infinite or undefined values"),
        ("return {'features': images}", "gives dict, which is no array of numbers"),
        ("return [['a']] * len(images)", "gives list, which is no array of numbers"),
        ("raise RuntimeError('no\\nGPU')", r"fails on uint8 \[\d, 8, 8, 3\] .RuntimeError: no GPU"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_a_function_must_not_give(module, body, match):
    refused(
        module(f"def embed(images):\n    {body}"), f"--features=python:my_space:embed .*({match})"
    )


def test_functions_that_cannot_be_had(module):
    spec = module("embed = 3")
    refused(spec, "my_space is no file with a function embed")
    refused(spec.replace("embed", "other"), "my_space is no file with a function other")
    refused(
        module("import my_space_missing"),
        "cannot be imported .ModuleNotFoundError: No module named 'my_space_missing'",
    )
    refused(
        "python:my_space",
        "must name a module and a function in it; write python:package.module:function",
    )


def test_images_must_be_seen_alone(module):
    """A net in training mode, and one that is random."""
    match = "change when an image is seen again beside another; use the net in evaluation mode"
    for body in (
        "x = images.mean((1, 2))\n    return x - x.mean(0)",
        "return np.random.rand(len(images), 4)",
    ):
        with pytest.raises(errors.InputError, match=match):
            features.count_features(module(f"def embed(images):\n    {body}"), data())


def test_rows_of_unequal_length():
    widths = iter((2, 3))
    apply = extractors.batched_apply(lambda x: (np.zeros((len(x), next(widths))), None), "It", 4)
    with pytest.raises(errors.InputError, match="It gives some images more features than others"):
        apply(data(8).images)


# ONNX


def onnx_net(path, shape, kind="FLOAT", logits=None, **options):
    """A file with a net: the sum over axis 1 (or axes 2 and 3 where channels come first), then optionally logits of it."""
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
def test_onnx(tmp_path, shape):
    """Sums over the image, in [-1, 1], channels first or last as declared."""
    real, spec = data(10), onnx_net(tmp_path / "net.onnx", shape)
    space = features.load(real, None, spec)
    found, probs = space.apply(real.images)
    np.testing.assert_allclose(found, (real.images / 127.5 - 1).sum((1, 2)), rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32 and probs is None and features.count_features(spec, real) == 3
    assert space.name.startswith("onnx-") and len(space.name) == 13 and space.resize == "none"


def test_onnx_with_logits(tmp_path):
    real = data(5)
    space = features.load(real, None, onnx_net(tmp_path / "net.onnx", ["n", 8, 8, 3], logits="Neg"))
    found, probs = space.apply(real.images)
    expected = np.exp(-found.astype(np.float64))
    np.testing.assert_allclose(probs, expected / expected.sum(1, keepdims=True), rtol=1e-5)
    assert (
        space.classes == ()
        and space.name
        != features.load(real, None, onnx_net(tmp_path / "b.onnx", ["n", 8, 8, 3])).name
    )
    refused(
        onnx_net(tmp_path / "c.onnx", ["n", 8, 8, 3], logits="Softmax"),
        "it must give logits, before the softmax",
    )


def test_onnx_files_that_do_not_fit(tmp_path):
    net = tmp_path / "net.onnx"
    refused(
        onnx_net(net, ["n", 8, 8, 1]),
        r"takes \[n, 8, 8, 1\], and the images are \[N, 8, 8, 3\]; use a net for",
    )
    refused(
        onnx_net(net, ["n", 3, "h", "w"]),
        r"takes \[n, 3, h, w\], and the images are \[N, 8, 8, 1\]",
        data(channels=1),
    )
    refused(
        onnx_net(net, ["n", 16, 16, 3]),
        r"takes \[n, 16, 16, 3\], and the images are \[N, 8, 8, 3\]",
    )
    refused(
        onnx_net(net, ["n", 8, 8, 3], "UINT8"),
        r"takes tensor.uint8. \[n, 8, 8, 3\]; it must take one tensor.float.",
    )
    apart = onnx_net(net, ["n", 8, 8, 3], save_as_external_data=True, size_threshold=0)
    refused(apart, "is no ONNX file that can be run, weights included")
    net.write_bytes(b"no net")
    refused(f"onnx:{net}", "is no ONNX file that can be run, weights included")


def test_onnx_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    (tmp_path / "net.onnx").write_bytes(b"anything")
    refused(
        f"onnx:{tmp_path / 'net.onnx'}",
        r"needs ONNX Runtime, which is not installed; pip install 'gan-jax\[export\]'",
    )


# Inception


def linear_weights(side, out=299):
    """float64 [out, side]: the two pixels around each sample, corners not aligned, the border repeated."""
    at = np.maximum((np.arange(out) + 0.5) * side / out - 0.5, 0)
    low = at.astype(int)
    high = np.minimum(low + 1, side - 1)
    w = np.zeros((out, side))
    np.add.at(w, (np.arange(out), low), 1 - (at - low))
    np.add.at(w, (np.arange(out), high), at - low)
    return w


def cubic_weights(side, out=299):
    """float64 [out, side]: Keys' cubic with a = -1/2, as wide as an output pixel where that is wider; rows sum to 1."""
    scale = side / out
    x = np.abs((np.arange(side) + 0.5 - (np.arange(out)[:, None] + 0.5) * scale) / max(scale, 1))
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    w = np.where(x < 1, near, np.where(x < 2, far, 0))
    return w / w.sum(1, keepdims=True)


@pytest.mark.parametrize("height, width", [(28, 28), (64, 48), (299, 299), (500, 350)])
def test_resizing(height, width):
    x = data(2, height, width).images
    expected = np.einsum(
        "ah,nhwc,bw->nabc", linear_weights(height), x, linear_weights(width), optimize=True
    )
    found = np.asarray(inception.bilinear(x))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected / 127.5 - 1, atol=1e-5)
    expected = np.einsum(
        "ah,nhwc,bw->nabc", cubic_weights(height), x, cubic_weights(width), optimize=True
    )
    found = inception.bicubic(x)
    assert found.dtype == np.float32 and (expected.min() < 0 or height == 500 or height == 299)
    np.testing.assert_allclose(found, (expected.clip(0, 255) - 128) / 128, atol=1e-5)


@pytest.mark.parametrize("side", [28, 64, 299, 400])
def test_bilinear_of_pytorch(side):
    torch = pytest.importorskip("torch")
    x = data(2, side, side).images
    there = torch.tensor(x / 255).permute(
        0, 3, 1, 2
    )  # float64: in float32 it rounds the positions, too
    there = 2 * torch.nn.functional.interpolate(there, (299, 299), mode="bilinear") - 1
    np.testing.assert_allclose(inception.bilinear(x), there.permute(0, 2, 3, 1), atol=1e-6)


@pytest.mark.parametrize("side", [28, 64, 400])
def test_bicubic_of_clean_fid(side):
    there = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    x = data(2, side, side).images
    np.testing.assert_array_equal(
        inception.bicubic(x), (np.stack([there(image) for image in x]) - 128) / 128
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """(a random state dict, the file it is in)."""
    state, path = {}, tmp_path_factory.mktemp("inception") / "net.npz"
    reference.forward(np.zeros((1, 3, 75, 75)), state)
    np.savez(path, **state)
    return state, path


@pytest.mark.parametrize(
    "kind, resize",
    [("inception", "pytorch-fid bilinear 299"), ("inception-clean", "clean-fid bicubic 299")],
)
def test_inception(weights, monkeypatch, kind, resize):
    """Gray images of 20 pixels, on another way: resized by the formulas, seen by the net in float64; 75 pixels are faster."""
    monkeypatch.setattr(inception, "_BATCH", 2)
    monkeypatch.setattr(nets, "SIDE", 75)
    real, clean = data(3, 20, 20, 1), kind == "inception-clean"
    w = (cubic_weights if clean else linear_weights)(20, 75)
    x = np.einsum("ah,nhwc,bw->ncab", w, real.images, w).clip(0, 255).repeat(3, 1)
    expected, logits = reference.forward((x - 128) / 128 if clean else x / 127.5 - 1, weights[0])
    space = features.load(real, None, f"{kind}:{weights[1]}")
    found, probs = space.apply(real.images)
    assert (found.shape, probs.shape, found.dtype) == ((3, 2048), (3, 1008), np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())
    np.testing.assert_allclose(probs, special.softmax(logits, 1), rtol=1e-3)
    assert space.name.startswith(f"{kind}-") and len(space.name) == len(kind) + 9
    assert space.resize == resize and space.classes == () and space.accuracy is None


def test_inception_refuses(weights, tmp_path):
    spec = f"inception:{weights[1]}"
    refused(spec, "sees gray or RGB images, not 4 channels", data(channels=4))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    refused(
        f"inception:{tmp_path / 'other.npz'}",
        "has no .*; give the state dict of pytorch-fid's Inception v3",
    )
    (tmp_path / "net.h5").write_bytes(b"no weights")
    refused(f"inception:{tmp_path / 'net.h5'}", "ends in .h5; give weights as .pth")
