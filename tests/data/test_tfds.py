"""Data sets that tfds prepares here, without TensorFlow and without network."""

import io
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax import errors
from gan_jax.data import celeba_attributes, datasets, image_decoding, resize, threads

F = tfds.features
RGB, GRAY = F.Image(shape=(12, 12, 3)), F.Image(shape=(12, 12, 1))


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """Where sets are prepared and looked for; no progress bars, and a network that fails."""

    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    tfds.disable_progress_bar()
    return tmp_path / "prepared"


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(array, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(file, kind)
    return file.getvalue()


def prepare(root, features, name="my_set", config=None, version="1.0.0", **splits):
    """Prepares a set whose splits are lists of records, in this order, and returns its folder."""

    class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=config),) if config else ()

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=F.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(records) for split, records in splits.items()}

        def _generate_examples(self, records):
            yield from enumerate(records)

    Prepared.name = name
    builder = Prepared(data_dir=root, file_format="array_record")
    builder.download_and_prepare()
    return root.joinpath(name, *([config] if config else []), version)


def labelled(images, labels):
    return [
        {"image": encoded(image), "label": label}
        for image, label in zip(images, labels, strict=True)
    ]


def load(spec="tfds:my_set", size=12, split="train", **view):
    return datasets.load(spec, datasets.DataOptions(size, **view), split)


def refused(*words, spec="tfds:my_set", size=12, split="train", **view):
    """Asserts that loading fails with one line that has all the words."""
    with pytest.raises(errors.InputError) as caught:
        load(spec, size, split, **view)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


# --- images ---


def test_images_labels_and_both_splits(root):
    images, others = pixels(5, 12, 12, 3), pixels(2, 12, 12, 3, seed=1)
    features = {"image": RGB, "label": F.ClassLabel(names=["bird", "cat", "dog"])}
    prepare(root, features, train=labelled(images, [2, 0, 0, 1, -1]), test=labelled(others, [1, 1]))
    train = load()
    assert isinstance(train.images, np.memmap) and not train.images.flags.writeable
    assert train.images.dtype == np.uint8 and np.array_equal(train.images, images)
    assert train.labels.tolist() == [2, 0, 0, 1, -1] and train.labels.dtype == np.int32
    assert train.classes == ("bird", "cat", "dog")
    test = datasets.load_heldout(train, datasets.DataOptions(12))
    assert np.array_equal(test.images, others) and test.labels.tolist() == [1, 1]


def test_several_shards_and_blocks_keep_their_order(root, monkeypatch):
    images = pixels(40, 12, 12, 1)
    monkeypatch.setattr(
        tfds.core.utils.shard_utils.ShardConfig, "get_number_shards", lambda *_, **__: 3
    )
    monkeypatch.setattr(threads, "_BLOCK", 7)
    folder = prepare(root, {"image": GRAY}, train=[{"image": encoded(image)} for image in images])
    assert len(list(folder.glob("*array_record-*-of-00003"))) == 3
    assert np.array_equal(load().images, images)


def test_small_sets_of_one_size_are_enlarged_and_large_ones_reduced(root):
    images = pixels(3, 12, 12, 1)
    prepare(root, {"image": GRAY}, train=[{"image": encoded(image)} for image in images])
    for size, crop in ((16, 0), (8, 0), (8, 10)):
        expected = [
            np.asarray(resize.crop_and_resize(Image.fromarray(image[..., 0]), size, crop))[
                ..., None
            ]
            for image in images
        ]
        assert np.array_equal(load(size=size, crop=crop).images, expected)
    refused("12x12", "crop 13", "--crop=12", size=8, crop=13)
    refused("cropped to 10", "--size=12", "--crop=12", crop=10)


def test_images_of_any_size_are_cropped_and_never_enlarged(root):
    images = [pixels(20, 30, 3), pixels(12, 12, 3, seed=1), pixels(40, 16, 3, seed=2)]
    prepare(root, {"image": F.Image()}, train=[{"image": encoded(image)} for image in images])
    expected = [np.asarray(resize.crop_and_resize(Image.fromarray(image), 12)) for image in images]
    assert np.array_equal(load().images, expected)
    refused(
        "Image 1 of my_set (train)", "12x12", "too small for size 16", "--skip_bad_images", size=16
    )


def test_bad_images_are_left_out_with_their_labels(root, capsys):
    images = pixels(4, 12, 12, 3)
    records = labelled(images, [0, 1, 2, 3])
    records[1]["image"] = b"no image"
    records[2]["image"] = records[2]["image"][:200]
    prepare(root, {"image": RGB, "label": F.ClassLabel(num_classes=4)}, train=records)
    refused("Image 1 of my_set (train)", "cannot be decoded", "--skip_bad_images")
    found = load(skip_bad_images=True)
    assert np.array_equal(found.images, images[[0, 3]]) and found.labels.tolist() == [0, 3]
    load(skip_bad_images=True)
    assert (
        capsys.readouterr().err.count("2 of 4 images skipped:\n  Image 1 of my_set (train)") == 2
    )  # again from the cache
    prepare(root, {"image": RGB}, version="2.0.0", train=[{"image": b""}] * 2)
    refused("None of the 2 images is good", skip_bad_images=True)


def test_channels_are_those_the_feature_declares(root):
    """JPEG collections declare colour and hold gray files too; tfds shows those in colour."""
    gray, colour = pixels(12, 12, 1), pixels(12, 12, 3)
    prepare(root, {"image": RGB}, train=[{"image": encoded(gray)}, {"image": encoded(colour)}])
    assert np.array_equal(load().images, [np.repeat(gray, 3, axis=2), colour])
    prepare(root, {"image": GRAY}, "gray_set", train=[{"image": encoded(colour)}])
    refused("in colour", "one channel", spec="tfds:gray_set")


def test_jpeg_is_decoded_as_files_are(root, tmp_path):
    content = encoded(pixels(40, 30, 3), "JPEG")
    (tmp_path / "a.jpg").write_bytes(content)
    prepare(root, {"image": F.Image(encoding_format="jpeg")}, train=[{"image": content}])
    assert np.array_equal(
        load(size=16, crop=24).images[0], image_decoding.decode_image(tmp_path / "a.jpg", 16, 24)
    )


def test_tensors_keep_any_number_of_channels(root):
    images = pixels(3, 12, 12, 5)
    features = {
        "pixels": F.Tensor(shape=(12, 12, 5), dtype=np.uint8),
        "label": F.Scalar(np.int32),
        "id": F.Scalar(np.uint64),
    }
    records = [{"pixels": image, "label": i, "id": 2**64 - 1} for i, image in enumerate(images)]
    prepare(root, features, train=records, test=records[:1])
    assert np.array_equal(load().images, images)
    assert np.array_equal(load(size=16).images, resize.crop_and_resize_all(images, 16, 0, ""))
    test = load(split="test")  # numbered by the train split
    assert test.classes == ("0", "1", "2") and test.labels.tolist() == [0]
    features = {"pixels": F.Tensor(shape=(3, 12, 12), dtype=np.uint8)}
    prepare(root, features, "channels_first", train=[{"pixels": pixels(3, 12, 12)}])
    refused("height 3 and width 12", "square", spec="tfds:channels_first")


def test_the_image_is_the_one_called_so_or_the_only_one(root):
    image, other = pixels(12, 12, 3), pixels(12, 12, 3, seed=1)
    record = {"left": encoded(image), "right": encoded(other), "image": encoded(other)}
    prepare(root, dict.fromkeys(record, RGB), train=[record])
    assert np.array_equal(load().images[0], other)
    del record["image"]
    prepare(root, dict.fromkeys(record, RGB), "pair", train=[record])
    refused("several", "left, right", spec="tfds:pair")
    prepare(root, {"left": RGB, "mask": F.LabeledImage(labels=2, shape=(12, 12, 1))}, "masked",
            train=[{"left": encoded(image), "mask": encoded(pixels(12, 12, 1))}])  # fmt: skip
    assert np.array_equal(load("tfds:masked").images[0], image)
    prepare(root, {"label": F.ClassLabel(num_classes=2)}, "none", train=[{"label": 0}])
    refused("no image feature", "has: label", spec="tfds:none")
    features = {"image": F.Tensor(shape=(12, 12, 3), dtype=np.float32)}
    prepare(root, features, "floats", train=[{"image": np.zeros((12, 12, 3), np.float32)}])
    refused("image float32", "uint8", spec="tfds:floats")


# --- labels ---


def test_labels_by_name(root):
    features = {
        "image": RGB,
        "label": F.ClassLabel(names=["a", "b"]),
        "coarse": F.ClassLabel(names=["x", "y", "z"]),
        "year": F.Scalar(np.int64, optional=True),
    }
    records = [
        {"image": encoded(pixels(12, 12, 3)), "label": i % 2, "coarse": i, "year": (3, None, 1)[i]}
        for i in range(3)
    ]
    prepare(root, features, train=records)
    assert load().classes == ("a", "b") and load().labels.tolist() == [0, 1, 0]
    assert load(labels="coarse").classes == ("x", "y", "z")
    years = load(labels="year")
    assert years.labels.tolist() == [3, -1, 1] and years.classes == ("0", "1", "2", "3")
    refused("--labels=colour", "'colour'", "has: coarse, label, year", labels="colour")
    del features["label"], features["year"]
    records = [{"image": record["image"], "coarse": record["coarse"]} for record in records]
    prepare(root, features, "one_label", train=records)
    assert load("tfds:one_label").classes == ("x", "y", "z")
    prepare(
        root,
        features | {"fine": F.ClassLabel(num_classes=2)},
        "two_labels",
        train=[r | {"fine": 0} for r in records],
    )
    assert load("tfds:two_labels").labels is None


def test_attributes_make_classes(root):
    yes_no = F.Scalar(np.bool_, optional=True)
    features = {
        "image": RGB,
        "attributes": {"Male": yes_no, "Smiling": yes_no, **{f"x{i}": yes_no for i in range(6)}},
    }
    values = [(True, True), (False, True), (True, False), (None, True)]
    records = [
        {
            "image": encoded(pixels(12, 12, 3)),
            "attributes": {"Male": m, "Smiling": s, **{f"x{i}": True for i in range(6)}},
        }
        for m, s in values
    ]
    prepare(root, features, train=records)
    assert load().labels is None
    found = load(labels="Smiling, Male")
    assert found.classes == (
        "not-Smiling not-Male",
        "not-Smiling Male",
        "Smiling not-Male",
        "Smiling Male",
    )
    assert found.labels.tolist() == [3, 2, 1, -1]
    assert load(labels="Smiling").labels.tolist() == [1, 1, 0, 1]
    refused("'Old'", "Male, Smiling", labels="Male,Old")
    refused("6 at most", labels="Male," + ",".join(f"x{i}" for i in range(6)))


def test_celeb_a_is_seen_as_by_celeba(root):
    images = pixels(2, 218, 178, 3)
    features = {
        "image": F.Image(shape=(218, 178, 3)),
        "attributes": {"Male": np.bool_, "Smiling": np.bool_},
    }
    records = [
        {"image": encoded(image), "attributes": {"Male": i == 0, "Smiling": True}}
        for i, image in enumerate(images)
    ]
    prepare(root, features, "celeb_a", train=records)
    found = load("tfds:celeb_a", 64)
    assert np.array_equal(
        found.images,
        [
            np.asarray(resize.crop_and_resize(Image.fromarray(i), 64, celeba_attributes.CROP))
            for i in images
        ],
    )
    assert [found.classes[label] for label in found.labels] == ["Male Smiling", "not-Male Smiling"]
    assert load(f"celeba:{root}", 64).digest == found.digest


# --- splits, names, cache ---


def test_validation_stands_in_for_test(root):
    records = [{"image": encoded(pixels(12, 12, 3, seed=i))} for i in range(3)]
    prepare(root, {"image": RGB}, train=records[:1], validation=records[1:])
    assert len(load(split="test").images) == 2
    prepare(root, {"image": RGB}, "no_test", train=records)
    assert load("tfds:no_test", split="test") is None
    prepare(root, {"image": RGB}, "all_of_them", everything=records)
    refused("no split called train", "has: everything", spec="tfds:all_of_them")


def test_versions_and_configs(root):
    def write(seed, **names):
        prepare(
            root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3, seed=seed))}], **names
        )

    def seed_of(spec):
        return next(
            seed
            for seed in range(9)
            if np.array_equal(load(spec).images[0], pixels(12, 12, 3, seed=seed))
        )

    for seed, version in enumerate(("9.0.0", "10.0.0", "2.1.0")):
        write(seed, version=version)
    write(3, name="other", config="small")
    assert seed_of("tfds:my_set") == 1
    assert seed_of("tfds:my_set:2.1.0") == seed_of("tfds:my_set/2.1.0") == 2
    assert seed_of("tfds:other") == seed_of("tfds:other/small:1.0.0") == 3
    write(4, name="other", config="large")
    assert seed_of("tfds:other/large") == 4
    refused("configs large, small", "--data=tfds:other/small:1.0.0", spec="tfds:other")
    there = "other/large:1.0.0"
    refused(
        "not prepared",
        root,
        there,
        "gan-jax[tf]",
        "tfds.builder('my_set:3.0.0'",
        spec="tfds:my_set:3.0.0",
    )
    refused(
        "tfds:mnist is not prepared", root, there, "file_format='array_record'", spec="tfds:mnist"
    )


def test_nothing_prepared(root):
    refused("tfds:mnist is not prepared", root, "(there: none)", spec="tfds:mnist")
    refused("after the name", "tfds:NAME", spec="tfds:")


def test_the_second_time_nothing_is_decoded(root, monkeypatch):
    features = {
        "image": RGB,
        "label": F.ClassLabel(num_classes=2),
        "coarse": F.ClassLabel(num_classes=2),
    }
    records = [record | {"coarse": 1} for record in labelled(pixels(2, 12, 12, 3), [0, 1])]
    folder = prepare(root, features, train=records)
    first = load()
    with monkeypatch.context() as patched:
        patched.delattr(image_decoding, "decode_image")
        assert load().digest == first.digest
        assert load(labels="coarse").labels.tolist() == [1, 1]  # other labels of the same images
        with pytest.raises(AttributeError):
            load(size=16)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    prepare(
        root,
        features,
        train=[record | {"coarse": 1} for record in labelled(pixels(2, 12, 12, 3, seed=1), [0, 1])],
    )
    assert np.array_equal(load().images, pixels(2, 12, 12, 3, seed=1))


def test_a_damaged_cache_is_named(root, tmp_path):
    prepare(root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3))}])
    load()
    entry = next((tmp_path / "cache" / "tfds").iterdir())
    for name in ("numbers.npz", "images.npy", "skipped.json"):
        os.truncate(entry / name, 1)
        refused(entry, "damaged")


# --- what cannot be read ---


def test_files_that_tfds_cannot_read_are_refused(root):
    folder = prepare(
        root,
        {"image": RGB},
        train=[{"image": encoded(pixels(12, 12, 3, seed=i))} for i in range(50)],
    )
    info, shard = folder / "dataset_info.json", folder / "my_set-train.array_record-00000-of-00001"
    text, content = info.read_text(), shard.read_bytes()
    info.write_text(json.dumps(json.loads(text) | {"fileFormat": "tfrecord"}))
    refused("as tfrecord", "array_record", "delete", folder, "gan-jax[tf]", "download_and_prepare")
    info.write_text(text[:50])
    refused("cannot be opened", folder)
    info.write_text(text)
    for end in (1000, len(content) // 2, len(content) - 1):
        shard.write_bytes(content[:end])
        refused("Image 0 of my_set (train)", "cannot be read")
    shard.unlink()
    refused("Image 0 of my_set (train)", "cannot be read", shard.name)
    shard.write_bytes(content)
    assert len(load().images) == 50


def test_a_converted_set_is_read_as_array_record(root):
    """tfds' convert_format leaves the first format in dataset_info.json and adds the other."""
    folder = prepare(root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3))}])
    info = folder / "dataset_info.json"
    more = {"fileFormat": "tfrecord", "alternativeFileFormats": ["array_record"]}
    info.write_text(json.dumps(json.loads(info.read_text()) | more))
    assert np.array_equal(load().images[0], pixels(12, 12, 3))


def test_without_tfds_the_error_says_what_to_install(root, monkeypatch):
    prepare(root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3))}])
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    refused("needs tensorflow-datasets", "pip install", "importlib_resources")


def test_tfds_is_imported_for_its_own_sets_only(root, tmp_path, child_env):
    """And TensorFlow never, though tfds would like to."""
    prepare(root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3))}])
    np.savez(tmp_path / "other.npz", images=pixels(2, 8, 8))
    program = """
import sys
import gan_jax.commands.train
from gan_jax.data import datasets
datasets.load(f"npz:{sys.argv[1]}", datasets.DataOptions(8))
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"tensorflow_datasets", "tensorflow", "array_record"}, loaded
datasets.load("tfds:my_set", datasets.DataOptions(8))
loaded = {name.partition(".")[0] for name in sys.modules}
assert "tensorflow_datasets" in loaded and "tensorflow" not in loaded
"""
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "other.npz"],
        check=True,
        env=child_env,
        timeout=300,
    )
