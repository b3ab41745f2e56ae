"""Data sets that tfds prepares here, without TensorFlow and without network."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gan_jax.data import celeba_attributes, datasets, image_decoding, resize, threads
from tests.data import making
from tests.data.making import encoded, pixels
from tests.data.tfds_sets import prepare

F = tfds.features
RGB, GRAY = F.Image(shape=(12, 12, 3)), F.Image(shape=(12, 12, 1))


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The folder of prepared sets; no progress bars, and a network that fails."""

    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    tfds.disable_progress_bar()
    return tmp_path / "prepared"


def labelled(images, labels):
    pairs = zip(images, labels, strict=True)
    return [{"image": encoded(image), "label": label} for image, label in pairs]


def resized(images, size, crop=0):
    """What crop_and_resize gives for every image [H, W, 1 or 3]."""
    out = [np.asarray(resize.crop_and_resize(making.as_picture(i), size, crop)) for i in images]
    return [image if image.ndim == 3 else image[..., None] for image in out]


def load(spec="tfds:my_set", size=12, **options):
    return making.load(spec, size, **options)


def refused(*words, spec="tfds:my_set", size=12, **options):
    making.refused(*words, spec=spec, size=size, **options)


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
    config = tfds.core.utils.shard_utils.ShardConfig
    monkeypatch.setattr(config, "get_number_shards", lambda *_, **__: 3)
    monkeypatch.setattr(threads, "_BLOCK", 7)
    folder = prepare(root, {"image": GRAY}, train=[{"image": encoded(image)} for image in images])
    assert len(list(folder.glob("*array_record-*-of-00003"))) == 3
    assert np.array_equal(load().images, images)


def test_small_sets_of_one_size_are_enlarged_and_large_ones_reduced(root):
    images = pixels(3, 12, 12, 1)
    prepare(root, {"image": GRAY}, train=[{"image": encoded(image)} for image in images])
    for size, crop in ((16, 0), (8, 0), (8, 10)):
        assert np.array_equal(load(size=size, crop=crop).images, resized(images, size, crop))
    refused("12x12", "crop 13", "--crop=12", size=8, crop=13)
    refused("cropped to 10", "--size=12", "--size=10 or less", crop=10)


def test_images_of_any_size_are_cropped_and_never_enlarged(root):
    images = [pixels(20, 30, 3), pixels(12, 12, 3, seed=1), pixels(40, 16, 3, seed=2)]
    prepare(root, {"image": F.Image()}, train=[{"image": encoded(image)} for image in images])
    assert np.array_equal(load().images, resized(images, 12))
    words = "Image 1 of my_set (train)", "12x12", "too small for size 16", "--skip_bad_images"
    refused(*words, size=16)


def test_bad_images_are_left_out_with_their_labels(root, capsys):
    images = pixels(4, 12, 12, 3)
    records = labelled(images, [0, 1, 2, 3])
    records[1]["image"] = b"no image"
    records[2]["image"] = records[2]["image"][:200]
    prepare(root, {"image": RGB, "label": F.ClassLabel(num_classes=4)}, train=records)
    refused("Image 1 of my_set (train)", "cannot be decoded", "--skip_bad_images")
    for _ in range(2):  # then from the cache
        good = load(skip_bad_images=True)
        assert np.array_equal(good.images, images[[0, 3]]) and good.labels.tolist() == [0, 3]
        said = capsys.readouterr().err
        assert "2 of 4 images skipped:\n  Image 1 of my_set (train)" in said
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
    features["fine"] = F.ClassLabel(num_classes=2)
    prepare(root, features, "two_labels", train=[record | {"fine": 0} for record in records])
    assert load("tfds:two_labels").labels is None


def test_attributes_make_classes(root):
    others = [f"x{i}" for i in range(6)]
    yes_no = F.Scalar(np.bool_, optional=True)
    attributes = dict.fromkeys(["Male", "Smiling", *others], yes_no)
    records = []
    for male, smiling in ((True, True), (False, True), (True, False), (None, True)):
        values = {"Male": male, "Smiling": smiling, **dict.fromkeys(others, True)}
        records.append({"image": encoded(pixels(12, 12, 3)), "attributes": values})
    prepare(root, {"image": RGB, "attributes": attributes}, train=records)
    assert load().labels is None
    both = load(labels="Smiling, Male")
    assert both.classes == (
        "not-Smiling not-Male",
        "not-Smiling Male",
        "Smiling not-Male",
        "Smiling Male",
    )
    assert both.labels.tolist() == [3, 2, 1, -1]
    assert load(labels="Smiling").labels.tolist() == [1, 1, 0, 1]
    refused("'Old'", "Male, Smiling", labels="Male,Old")
    refused("6 at most", labels=",".join(["Male", *others]))


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
    train = load("tfds:celeb_a", 64)
    assert np.array_equal(train.images, resized(images, 64, celeba_attributes.CROP))
    assert [train.classes[label] for label in train.labels] == ["Male Smiling", "not-Male Smiling"]
    assert load(f"celeba:{root}", 64).digest == train.digest


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
    images = [pixels(12, 12, 3, seed=seed) for seed in range(5)]

    def write(seed, **names):
        prepare(root, {"image": RGB}, train=[{"image": encoded(images[seed])}], **names)

    def seed_of(spec):
        image = load(spec).images[0]
        return next(seed for seed, other in enumerate(images) if np.array_equal(image, other))

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
    command = "[tf]'", "tfds.builder('my_set:3.0.0'", "file_format='array_record'"
    refused("not prepared", root, there, *command, spec="tfds:my_set:3.0.0")
    refused("tfds:mnist is not prepared", root, there, spec="tfds:mnist")


def test_nothing_prepared(root):
    refused("tfds:mnist is not prepared", root, "(there: none)", spec="tfds:mnist")
    refused("after the name", "tfds:NAME", spec="tfds:")


def test_the_second_time_nothing_is_decoded(root, monkeypatch):
    label = F.ClassLabel(num_classes=2)
    features = {"image": RGB, "label": label, "coarse": label}

    def prepare_images(images):
        records = [record | {"coarse": 1} for record in labelled(images, [0, 1])]
        return prepare(root, features, train=records)

    folder = prepare_images(pixels(2, 12, 12, 3))
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
    others = pixels(2, 12, 12, 3, seed=1)
    prepare_images(others)
    assert np.array_equal(load().images, others)


def test_a_damaged_cache_is_named(root, tmp_path):
    prepare(root, {"image": RGB}, train=[{"image": encoded(pixels(12, 12, 3))}])
    load()
    entry = next((tmp_path / "cache" / "tfds").iterdir())
    for name in ("numbers.npz", "images.npy", "skipped.json"):
        os.truncate(entry / name, 1)
        refused(entry, "damaged")


# --- what cannot be read ---


def test_files_that_tfds_cannot_read_are_refused(root):
    records = [{"image": encoded(pixels(12, 12, 3, seed=i))} for i in range(50)]
    folder = prepare(root, {"image": RGB}, train=records)
    info, shard = folder / "dataset_info.json", folder / "my_set-train.array_record-00000-of-00001"
    text, content = info.read_text(), shard.read_bytes()
    info.write_text(json.dumps(json.loads(text) | {"fileFormat": "tfrecord"}))
    refused("as tfrecord", "array_record", "delete", folder, "[tf]'", "download_and_prepare")
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
    command = [sys.executable, "-c", program, tmp_path / "other.npz"]
    subprocess.run(command, check=True, env=child_env, timeout=300)
