"""Labels from tables: classes, thresholds and quantities, of files and of arrays."""

import sys

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from gan_jax.data import data_check, data_report, datasets, table_labels
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError

NAMES = ("a/1.png", "a/2.png", "b/3.png", "b/4.png")


@pytest.fixture
def folder(tmp_path):
    """A folder with a picture for each of NAMES, of another gray each."""
    for i, name in enumerate(NAMES):
        path = tmp_path / "pics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(path)
    return tmp_path / "pics"


def write(path, text):
    path.write_text(text)
    return path


def load(folder, labels, split="train", **options):
    data = datasets.load(f"folder:{folder}", DataOptions(8, labels=labels, **options), split)
    grays = [int(image[0, 0, 0]) // 40 for image in data.images]
    return data, grays


@pytest.mark.parametrize("key", [lambda n: n, lambda n: n[:-4], lambda n: n[2:], lambda n: n[2:-4]])
def test_files_are_named_by_path_or_name_with_or_without_ending(folder, tmp_path, key):
    lines = [f"{key(name)},{i / 2},{-i}" for i, name in enumerate(NAMES)]
    table = write(tmp_path / "t.csv", "\n".join(["id,z,mass", *reversed(lines)]))
    data, grays = load(folder, f"{table}:z")
    assert data.quantities == ("z",) and data.labels is None and data.classes == ()
    assert data.values.dtype == np.float32
    np.testing.assert_array_equal(data.values[:, 0], np.array(grays) / 2)
    data, grays = load(folder, f"{table}:mass,z")
    assert data.quantities == ("mass", "z")
    np.testing.assert_array_equal(data.values, np.stack([-np.array(grays), np.array(grays) / 2], 1))


def test_text_and_whole_numbers_are_classes(folder, tmp_path):
    lines = "name\tkind\tn\n1\tspiral\t10\n2\tround\t9\n3\t\t9\n4\tspiral\t\n"
    table = write(tmp_path / "t.tsv", lines)
    data, grays = load(folder, f"{table}:kind")
    assert data.classes == ("round", "spiral") and data.values is None
    np.testing.assert_array_equal(data.labels, np.array([1, 0, -1, 1])[grays])
    data, grays = load(folder, f"{table}:n")
    assert data.classes == ("9", "10")
    np.testing.assert_array_equal(data.labels, np.array([1, 0, 0, -1])[grays])


@pytest.mark.parametrize("word", ["NA", "N/A", "nan", "NULL", "None"])
def test_words_for_no_value_are_empty_fields(folder, tmp_path, word):
    lines = f"name,kind,n\n1,spiral,10\n2,round,9\n3,{word},9\n4,spiral,{word}\n"
    table = write(tmp_path / "T.CSV", lines)
    data, grays = load(folder, f"{table}:kind")
    assert data.classes == ("round", "spiral")
    np.testing.assert_array_equal(data.labels, np.array([1, 0, -1, 1])[grays])
    data, grays = load(folder, f"{table}:n")
    assert data.classes == ("9", "10")
    np.testing.assert_array_equal(data.labels, np.array([1, 0, 0, -1])[grays])


def test_none_in_small_letters_is_a_class(folder, tmp_path):
    table = write(tmp_path / "t.csv", "name,bar\n1,strong\n2,none\n3,none\n4,strong\n")
    assert load(folder, f"{table}:bar")[0].classes == ("none", "strong")


def test_keys_that_are_no_numbers_name_no_image(folder, tmp_path):
    keys = np.array([4, np.nan, 2, np.inf, 3, 1])
    Table({"id": keys, "z": np.arange(6) + 0.5}).write(tmp_path / "t.fits")
    data, grays = load(folder, f"{tmp_path / 't.fits'}:z")
    np.testing.assert_array_equal(data.values[:, 0], np.array([5.5, 2.5, 4.5, 0.5])[grays])


def test_a_threshold_makes_two_classes(folder, tmp_path):
    table = write(tmp_path / "t.txt", "name z\n1 0.5\n2 0.7\n3 nan\n4 -1\n")
    data, grays = load(folder, f"{table}:z>0.5")
    assert data.classes == ("z<=0.5", "z>0.5")
    np.testing.assert_array_equal(data.labels, np.array([0, 1, -1, 0])[grays])
    data, grays = load(folder, f"{table}:z<0.6")
    assert data.classes == ("z>=0.6", "z<0.6")
    np.testing.assert_array_equal(data.labels, np.array([1, 0, -1, 1])[grays])


def test_images_without_a_value_are_refused_or_left_out(folder, tmp_path, capsys):
    table = write(tmp_path / "t.csv", "name,z\n1,0.5\n2,\n3,0.25\n")
    with pytest.raises(InputError, match=r"no z of 2 images, the first 2.png; add them, or leave"):
        load(folder, f"{table}:z")
    data, grays = load(folder, f"{table}:z", skip_bad_images=True)
    assert grays == [0, 2] and data.values[:, 0].tolist() == [0.5, 0.25]
    assert "left out" in capsys.readouterr().out


def test_numbers_of_a_fits_table(folder, tmp_path):
    columns = {"name": ["3", "1", "4", "2"], "z": np.array([3.5, 1.5, 4.5, 2.5], ">f4")}
    columns["spectrum"] = np.zeros((4, 7))
    Table(columns).write(tmp_path / "t.fits")
    data, grays = load(folder, f"{tmp_path / 't.fits'}:z")
    np.testing.assert_array_equal(data.values[:, 0], np.array(grays) + 1.5)
    with pytest.raises(InputError, match=r"no column spectrum; its columns \(2\) are name, z"):
        load(folder, f"{tmp_path / 't.fits'}:spectrum")


def test_numbers_of_a_parquet_file(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    table = pyarrow.table({"id": [4, 3, 2, 1], "z": [0.4, 0.3, None, 0.1]})
    parquet.write_table(table, tmp_path / "t.parquet")
    data, grays = load(folder, f"{tmp_path / 't.parquet'}:z", skip_bad_images=True)
    np.testing.assert_allclose(data.values[:, 0], (np.array(grays) + 1) / 10, rtol=1e-6)


def test_a_missing_library_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    table = write(tmp_path / "t.parquet", "")
    with pytest.raises(InputError, match=r"needs pyarrow; install it with: .*\[tables\]"):
        load(folder, f"{table}:z")


def test_rows_of_arrays_are_in_order(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=[0, 1, 0, 1, 1], test_images=images[:2])
    table = write(tmp_path / "t.csv", "n,z\n" + "".join(f"{i},{i + 0.5}\n" for i in range(5)))
    options = DataOptions(8, labels=f"{table}:z")
    spec = f"npz:{tmp_path / 'a.npz'}"
    data = datasets.load(spec, options)
    assert data.values[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5] and data.labels is None
    test = datasets.load(spec, options, "test")
    assert test.values is None and test.labels is None
    plain = datasets.load(spec, DataOptions(8, labels="none"))
    assert data.digest != plain.digest and plain.values is None
    part = datasets.load(f"shard:2/2/0:{spec}", options)
    rows = [images.tolist().index(image.tolist()) for image in part.images]
    assert part.values[:, 0].tolist() == [row + 0.5 for row in rows]
    short = write(tmp_path / "s.csv", "n,z\n1,1.5\n")
    with pytest.raises(InputError, match="has 1 rows for 5 images without names"):
        datasets.load(spec, DataOptions(8, labels=f"{short}:z"))


def many_in_one(path, side=16, **columns):
    """Write an HDF5 file with six images, image i all gray of 40 i, and columns beside them."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        grays = np.arange(0, 240, 40, np.uint8)
        file["images"] = np.broadcast_to(grays[:, None, None], (6, side, side))
        for name, column in columns.items():
            file[name] = column
    return path


def test_images_within_one_file_have_rows_in_order(tmp_path):
    kinds, z = ["a", "b", "a", "c", "b", "a"], np.arange(6) / 8
    file = many_in_one(tmp_path / "g.h5", kind=kinds, z=z, n=z.astype("u1"), other=np.zeros(3))
    data, grays = load(file, f"{file}:kind")
    assert grays == list(range(6)) and data.classes == ("a", "b", "c")
    assert data.labels.tolist() == [0, 1, 0, 2, 1, 0] and data.values is None
    data, _ = load(file, f"{file}:z")
    assert data.labels is None and data.values[:, 0].tolist() == z.tolist()
    text = "any,z\n" + "".join(f"{9 - i},{x}\n" for i, x in enumerate(z))
    table = write(tmp_path / "t.csv", text)
    assert load(file, f"{table}:z")[0].values[:, 0].tolist() == z.tolist()
    with pytest.raises(InputError, match=r"no column other; its columns \(3\) are kind, n, z"):
        load(file, f"{file}:other")
    write(table, "any,z\n1,0.5\n2,1.5\n")
    with pytest.raises(InputError, match=r"g.h5 holds 6 images, and the table .* has 2 rows"):
        load(file, f"{table}:z")
    write(table, text.replace("0.25", ""))
    with pytest.raises(InputError, match="no z of 1 image, the first image 2; add them"):
        load(file, f"{table}:z", skip_bad_images=True)


def test_patches_have_the_row_of_their_image_within_the_file(tmp_path):
    file = many_in_one(tmp_path / "g.h5", side=24, z=np.arange(6) / 8)
    data, grays = load(file, f"{file}:z", patches=8)
    assert len(grays) > 6 and data.values[:, 0].tolist() == [gray / 8 for gray in grays]


def test_stamps_of_a_fits_table_have_the_columns_beside_them(tmp_path):
    stamps = np.arange(5, dtype="f4")[:, None, None] + np.zeros((5, 16, 16), "f4")
    Table({"stamp": stamps, "z": np.arange(5) / 4}).write(tmp_path / "t.fits")
    options = DataOptions(16, labels=f"{tmp_path / 't.fits'}:z")
    data = datasets.load(f"folder:{tmp_path / 't.fits'}", options)
    assert (4 * data.values[:, 0]).tolist() == data.stored[:, 0, 0, 0].tolist()


def test_a_check_tells_what_training_reads_of_one_file(tmp_path):
    file = many_in_one(tmp_path / "g.h5", kind=list("abacba"), z=np.arange(6) / 8)
    for column in ("kind", "z"):
        options = DataOptions(16, labels=f"{file}:{column}")
        split = data_check.inspect_split(f"folder:{file}", options)
        data = datasets.load(f"folder:{file}", options)
        assert split.digest == data.digest and split.classes == data.classes
    text = data_report.format_report(f"folder:{file}", split, None)
    assert "  quantity      z, 0 to 0.625\n" in text


def test_test_images_have_rows_of_the_same_table(tmp_path):
    for split, names in {"train": "12", "test": "34"}.items():
        (tmp_path / "pics" / split).mkdir(parents=True)
        for name in names:
            pixels = np.full((8, 8), 10 * int(name), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pics" / split / f"{name}.png")
    table = write(tmp_path / "t.csv", "n,kind\n1,a\n2,b\n3,b\n4,c\n")
    train, _ = load(tmp_path / "pics", f"{table}:kind")
    test, _ = load(tmp_path / "pics", f"{table}:kind", "test")
    assert train.classes == test.classes == ("a", "b", "c")
    assert train.labels.tolist() == [0, 1] and test.labels.tolist() == [1, 2]
    table = write(tmp_path / "t.csv", "n,z\n1,0.5\n2,1.5\n")
    assert load(tmp_path / "pics", f"{table}:z", "test")[0].values is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n,z\n9,0.5\n", "names none of the images, such as 1.png; it has 9"),
        ("n,z\n1,0.5\n1,0.6\n", "1 occurs a second time"),
        ("n,z\n1,0.5,7\n", "line 2 has 3 fields instead of 2"),
        ("n,y\n1,0.5\n", "no column z; its columns (2) are n, y"),
        ("n,z\n", "has no rows"),
        ("", "is empty"),
    ],
)
def test_tables_that_do_not_fit(folder, tmp_path, text, message):
    with pytest.raises(InputError) as error:
        load(folder, f"{write(tmp_path / 't.csv', text)}:z")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("t.csv", "cannot be read; write --labels=FILE:COLUMN"),
        ("t.csv:", "cannot be read"),
        ("t.csv:a,a", "cannot be read"),
        ("t.csv:z>big", "cannot be read"),
        ("t.csv:z,y>1", "cannot be read"),
        ("t.csv:z", "there is no file t.csv"),
    ],
)
def test_labels_that_cannot_be_read(folder, labels, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        load(folder, labels)
    assert message in str(error.value)


def test_too_many_classes_and_text_as_a_number(folder, tmp_path):
    rows = "".join(f"{i},{i},{'ab'[i % 2]}\n" for i in range(300))
    table = write(tmp_path / "t.csv", "n,m,kind\n" + rows)
    with pytest.raises(InputError, match="300 different values, too many for classes"):
        load(folder, f"{table}:m")
    with pytest.raises(InputError, match="kind in .* is text and cannot be compared"):
        load(folder, f"{table}:kind>3")
    with pytest.raises(InputError, match="kind in .* is text, which is no quantity"):
        load(folder, f"{table}:m,kind")


def test_paths_are_made_absolute_and_portable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert table_labels.absolute("sub/t.csv:z>1") == f"{tmp_path}/sub/t.csv:z>1"
    assert table_labels.portable(f"{tmp_path}/t.fits:a,b") == "t.fits:a,b"
    for text in ("", "none", "cumulative", "Male,Smiling"):
        assert table_labels.absolute(text) == table_labels.portable(text) == text
