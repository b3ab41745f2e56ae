"""Small folders like Kaggle's Galaxy Zoo, whose votes meet every class and every threshold."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import datasets, galaxyzoo
from tests.data import making

ANSWERS = (3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6)  # to each of the 11 questions
COLUMNS = [f"Class{q}.{a}" for q, n in enumerate(ANSWERS, 1) for a in range(1, n + 1)]
CSV = "training_solutions_rev1.csv"


def galaxy(smooth=0.0, features=0.0, edge=0.0, face=0.0, spiral=0.0, shapes=(0.0, 0.0, 0.0)):
    """The file's columns, in the order of _VOTES, from the fractions that they are products of."""
    face *= features
    votes = (smooth, features, features * edge, face, face * spiral, *(smooth * s for s in shapes))
    return [round(vote, 6) for vote in votes]


ROUND = galaxy(0.9, 0.1, shapes=(0.8, 0.2, 0))
CASES = [
    (0, ROUND),
    (1, galaxy(0.9, shapes=(0.2, 0.7, 0.1))),
    (2, galaxy(0.9, shapes=(0, 0.3, 0.7))),
    (3, galaxy(0.2, 0.8, edge=0.9, face=0.1)),
    (4, galaxy(0.1, 0.9, edge=0.1, face=0.9, spiral=0.9)),
    # Exactly at the thresholds, and a millionth below each.
    (0, galaxy(0.469, shapes=(0.5, 0.4, 0.1))),
    (-1, galaxy(0.468999, shapes=(0.5, 0.4, 0.1))),
    (-1, galaxy(0.5, shapes=(0.499, 0.401, 0.1))),
    (3, galaxy(0.1, 0.43, edge=0.602, face=0.398)),
    (-1, galaxy(0.1, 0.429999, edge=0.9)),
    (-1, galaxy(0.1, 0.9, edge=0.601)),
    (4, galaxy(0.1, 0.43, face=0.715, spiral=0.9)),
    (4, galaxy(0.1, 0.8, face=1, spiral=0.619)),  # 0.4952 / 0.8 is 0.6189999999999999 to a computer
    (-1, galaxy(0.1, 0.9, face=0.714, spiral=0.9)),
    (-1, galaxy(0.1, 0.9, face=0.9, spiral=0.618)),
    # Few are asked about arms of a smooth galaxy, and all may say yes.
    (-1, galaxy(0.6, 0.3, face=1, spiral=1, shapes=(0.4, 0.4, 0.2))),
    # Both answers to the first question pass; the one with more votes decides, smooth if equal.
    (1, galaxy(0.53, 0.47, edge=0.9, shapes=(0, 1, 0))),
    (3, galaxy(0.47, 0.53, edge=0.9, shapes=(0, 1, 0))),
    (1, galaxy(0.5, 0.5, edge=0.9, shapes=(0, 1, 0))),
    # More votes for features, but they agree on nothing further: no tie, the smooth class stands.
    (1, galaxy(0.47, 0.53, edge=0.5, face=0.5, shapes=(0, 1, 0))),
    (0, galaxy(0.9, shapes=(0.5, 0.5, 0))),
    (-1, galaxy()),
]


def write_csv(path, votes, **layout):
    """votes: {GalaxyID: 8 votes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    newline, head = layout.get("newline", "\n"), layout.get("head", "")
    lines = [",".join(["GalaxyID", *COLUMNS])]
    for name, values in votes.items():
        row = dict.fromkeys(COLUMNS, "0.0")
        row |= zip(galaxyzoo._VOTES, map(str, values), strict=True)
        lines.append(",".join([str(name), *row.values()]))
    path.write_text(head + newline.join(lines) + newline, encoding="utf-8", newline="")


def write_image(path, name):
    """20x20 pixels, told apart by their gray."""
    path.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (int(name) % 251,) * 3).save(path / f"{name}.jpg", quality=95)


def write_set(root, votes):
    write_csv(root / CSV, votes)
    for name in votes:
        write_image(root / "images_training_rev1", name)
    return f"galaxyzoo:{root}"


def load(spec, split="train", crop=20, **options):
    return making.load(spec, 16, crop, split, **options)


def names(spec, split):
    """Numbers of the galaxies of a split, in order."""
    files = datasets.open_source(spec, datasets.DataOptions(16), split)
    return [path.stem for path in files.paths] if files else []


# --- classes ---


@pytest.mark.parametrize(("expected", "votes"), CASES)
def test_class_of(expected, votes):
    assert galaxyzoo.classify(np.array([votes])).tolist() == [expected]


def test_classes_are_independent_of_order():
    expected, votes = zip(*CASES[::-1], strict=True)
    labels = galaxyzoo.classify(np.array(votes))
    assert labels.dtype == np.int32 and labels.tolist() == list(expected)


def test_division_decides():
    """Half of all volunteers call the first a spiral, 0.55 of all the second an edge-on galaxy."""
    spiral, edge_on = galaxy(0.2, 0.75, face=0.9, spiral=0.75), galaxy(0.2, 0.75, edge=0.73)
    votes = np.array([spiral, edge_on, ROUND])
    assert galaxyzoo.classify(votes).tolist() == [4, 3, 0]
    assert galaxyzoo.classify(votes, divide=False).tolist() == [-1, -1, 0]


def test_undivided_classes_are_a_part_of_the_divided():
    """Products are never larger than the fractions; where one reaches 0.5, no other answer wins."""
    rng = np.random.default_rng(0)
    first, turned = rng.dirichlet((0.3, 0.3, 0.1), 5000), rng.dirichlet((0.3, 0.3), 5000)
    arms, shapes = rng.random((5000, 1)) ** 0.2, rng.dirichlet((0.3, 0.3, 0.3), 5000)
    seen = first[:, 1:2] * turned
    votes = np.concatenate([first[:, :2], seen, seen[:, 1:] * arms, first[:, :1] * shapes], 1)
    divided, undivided = galaxyzoo.classify(votes), galaxyzoo.classify(votes, divide=False)
    assert set(undivided) == {-1, 0, 1, 2, 3, 4}
    passed = undivided >= 0
    assert np.array_equal(divided[passed], undivided[passed]) and (divided[~passed] >= 0).any()


# --- the folder ---


def test_images_labels_and_splits(tmp_path):
    votes = {100_000 + 7 * i: CASES[i % len(CASES)][1] for i in range(80)}
    expected = {str(name): CASES[i % len(CASES)][0] for i, name in enumerate(votes)}
    spec = write_set(tmp_path / "set", votes)
    train, test = load(spec), load(spec, "test")
    assert train.classes == test.classes == ("round", "in-between", "cigar", "edge-on", "spiral")
    in_train, in_test = names(spec, "train"), names(spec, "test")
    assert sorted(in_train + in_test) == sorted(expected) and 0 < len(in_test) < 20
    for loaded, in_split in ((train, in_train), (test, in_test)):
        assert in_split == sorted(in_split) and loaded.labels.dtype == np.int32
        assert loaded.labels.tolist() == [expected[name] for name in in_split]
        grays = [int(name) % 251 for name in in_split]
        assert loaded.images.shape == (len(in_split), 16, 16, 3)
        assert np.abs(loaded.images.mean((1, 2, 3)) - grays).max() < 2
    assert {-1, 0, 1, 2, 3, 4} == set(train.labels.tolist())


def test_a_tenth_is_held_out_whatever_else_there_is():
    numbers = [str(n) for n in range(100_000, 1_000_000, 15)]
    assert 0.095 < np.mean([galaxyzoo.is_heldout(n) for n in numbers]) < 0.105
    # Fixed for good: with another split, a classifier could be tested on its training images.
    heldout = [n for n in numbers[:40] if galaxyzoo.is_heldout(n)]
    assert heldout == ["100090", "100135", "100195", "100270", "100360"]


def test_unlabelled_folder_joins_train(tmp_path, capsys):
    spec = write_set(tmp_path / "set", dict.fromkeys(range(100, 140), ROUND))
    before, test = names(spec, "train"), load(spec, "test")
    for name in range(500, 520):
        write_image(tmp_path / "set" / "images_test_rev1" / "images_test_rev1", name)
    train = load(spec)
    assert names(spec, "train") == before + [str(name) for name in range(500, 520)]
    assert train.labels.tolist() == [0] * len(before) + [-1] * 20
    assert "images_test_rev1: 20 images" in capsys.readouterr().out
    assert load(spec, "test").digest == test.digest


def test_no_test_split_in_a_tiny_folder(tmp_path):
    heldout = [name for name in range(100, 140) if galaxyzoo.is_heldout(str(name))]
    train = [name for name in range(100, 140) if name not in heldout]
    spec = write_set(tmp_path / "set", dict.fromkeys(train, ROUND))
    assert load(spec, "test") is None
    spec = write_set(tmp_path / "other", dict.fromkeys(heldout, ROUND))
    making.refused("holds 5 images, all in the test split", spec=spec)


def test_counts_are_shown_beside_the_published(tmp_path, capsys):
    votes = {name: votes for name, (_, votes) in enumerate(CASES[:10] * 4, 1000)}
    spec = write_set(tmp_path / "set", votes)
    for name in (7, 8):
        write_image(tmp_path / "set" / "images_training_rev1", name)
    load(spec)
    out = capsys.readouterr().out
    assert (
        "round 8 (8,434), in-between 4 (8,069), cigar 4 (578), edge-on 8 (3,903), "
        "spiral 4 (7,806); 12 in no class" in out
    )
    assert "2 images of images_training_rev1 are not in" in out
    load(spec, "test")
    assert "published" not in capsys.readouterr().out


def test_own_crop(tmp_path):
    """207 pixels of the centre: a white square of 211 in black sky leaves no sky."""
    spec = write_set(tmp_path / "set", {101: ROUND})
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[44:255, 44:255] = 255
    Image.fromarray(picture).save(tmp_path / "set" / "images_training_rev1" / "101.jpg", quality=95)
    assert load(spec, crop=0).images.min() > 240
    assert load(spec, crop=300).images[0, 0, 0].max() < 20
    making.refused("cropped to 207 pixels", "--size=207", spec=spec, crop=0, size=256)


@pytest.mark.parametrize(
    "layout", [{"newline": "\r\n"}, {"head": "\ufeff"}, {"newline": " \r\n\r\n"}]
)
def test_the_csv_may_come_from_elsewhere(tmp_path, layout):
    """Other line ends, a byte order mark, blank lines and spaces, and a folder of its own."""
    spec = write_set(tmp_path / "set", {101: ROUND, 102: CASES[3][1]})
    (tmp_path / "set" / CSV).unlink()
    path = tmp_path / "set" / CSV.removesuffix(".csv") / CSV
    write_csv(path, {" 101 ": ROUND, 102: CASES[3][1]}, **layout)
    assert load(spec).labels.tolist() == [0, 3]


def test_labels_from_columns_as_they_stand(tmp_path):
    spec = write_set(tmp_path / "set", {101: galaxy(0.2, 0.75, face=0.9, spiral=0.75)})
    assert load(spec).labels.tolist() == [4]
    assert load(spec, labels="cumulative").labels.tolist() == [-1]
    with pytest.raises(errors.InputError, match="--labels=spiral .* cumulative"):
        load(spec, labels="spiral")


def test_galaxies_without_an_image(tmp_path, capsys):
    spec = write_set(tmp_path / "set", {name: ROUND for name in (101, 102, 103)})
    for name in (101, 103):
        (tmp_path / "set" / "images_training_rev1" / f"{name}.jpg").unlink()
    making.refused("2 galaxies without an image", "first 101", "--skip_bad_images", spec=spec)
    assert load(spec, skip_bad_images=True).labels.tolist() == [0]
    assert "2 galaxies" in capsys.readouterr().out


def test_bad_folders_are_refused(tmp_path):
    root = tmp_path / "set"
    making.assert_refused_without_images("galaxyzoo", root, "images_training_rev1")
    write_image(root / "images_training_rev1", 101)
    making.refused(f"no {CSV}", "folder:DIR", spec=f"galaxyzoo:{root}")
    write_csv(root / CSV, {101: ROUND})
    write_image(root / "images_training_rev1" / "deeper", 101)
    making.refused("both image 101", spec=f"galaxyzoo:{root}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", ["is empty"]),
        (lambda text: text.partition("\n")[0], ["no rows"]),
        (
            lambda text: text.replace("Class7.2", "round"),
            ["no column Class7.2", "GalaxyID, Class1.1"],
        ),
        (lambda text: text.replace(",", ";"), ["no column GalaxyID"]),
        (
            lambda text: text.replace("102,0.9", "102,many"),
            ["line 3", "Class1.1 of galaxy 102 is many"],
        ),
        (lambda text: text.replace("102,0.9", "102,"), ["line 3", "is empty"]),
        (lambda text: text.replace("102,0.9", "102,nan"), ["line 3", "nan", "0 to 1"]),
        (lambda text: text.replace("102,0.9", "102,1.000001"), ["line 3", "1.000001", "0 to 1"]),
        (lambda text: text.replace("102,0.9", "102,-0.1"), ["line 3", "-0.1", "0 to 1"]),
        (lambda text: text.replace("102,0.9", '102,"0.\n9"'), ["line 3", "'0.\\n9'"]),
        (lambda text: text.replace("102,0.9", "101,0.9"), ["line 3", "101 occurs a second time"]),
        (lambda text: text[:-40], ["line 3", "fields instead of 38"]),
    ],
)
def test_bad_csv_is_refused(tmp_path, change, words):
    spec = write_set(tmp_path / "set", {101: ROUND, 102: ROUND})
    path = tmp_path / "set" / CSV
    path.write_text(change(path.read_text()))
    making.refused(path, *words, spec=spec)


def test_csv_that_is_no_text_is_refused(tmp_path):
    spec = write_set(tmp_path / "set", {101: ROUND})
    (tmp_path / "set" / CSV).write_bytes(b"PK\x03\x04\xff\xfe")
    making.refused(CSV, "cannot be read", spec=spec)
