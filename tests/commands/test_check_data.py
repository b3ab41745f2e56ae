"""--check_data and the command itself agree, whatever data and flags they are given."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax.commands import process, train
from tests.data import making

N_CASES = 200
# Folders of images in a set, which are filled, and others, which stay without images.
LAYOUTS = {
    "flat": ([""], []),
    "deep": (["images/a/b"], []),
    "classes": (["cat", "dog", "fox"], []),
    "one class": (["cat"], []),
    "too deep": (["set/cat", "set/dog"], []),
    "splits": (["train/cat", "train/dog", "test/cat"], []),
    "other splits": (["Train/cat", "Train/dog", "Valid/dog"], []),
    "flat test": (["Training/cat", "Training/dog", "Testing"], []),
    "unlike test": (["train", "test/cat", "test/dog"], []),
    "new class": (["train/cat", "train/dog", "test/fox"], []),
    "class beside splits": (["train/cat", "train/dog", "bus"], []),
    "chunks": (["00000", "00001"], []),
    "loose": (["", "cat", "dog"], []),
    "empty class": (["cat", "dog"], ["fox"]),
    "empty beside one": (["images"], ["annotations"]),
    "nothing": ([], ["cat", "dog"]),
}
FAULTS = ("gray", "small", "damaged", "not an image", "gif", "text", "float", "pages")
METHODS = ("dcgan", "cgan", "acgan", "mgan", "infogan", "colorize", "distgan", "wgan_gp")
FLAGS = (
    ["--skip_bad_images"],
    ["--colors=rgb"],
    ["--colors=gray"],
    ["--labels=none"],
    ["--labels=color"],
    ["--crop=10"],
    ["--crop=14"],
    ["--net=sngan"],
    ["--net=s1"],
    ["--net=mlp"],
    ["--net=distgan_mnist"],
    ["--condition=labels"],
    ["--condition=attributes"],
    ["--batch=3"],
    ["--devices=4"],
    ["--members=2"],
    ["--eval_every=1"],
    ["--eval_every=1", "--eval_scores=kernel", "--keep_best=kernel", "--eval_images=100"],
    ["--pixels=linear"],
    ["--penalty_every=2"],
)


def write_folder(root, rng):
    """Write a folder of a random layout with a random fault. Returns the --data."""
    filled, empty = LAYOUTS[rng.choice(list(LAYOUTS))]
    n_channels = rng.choice([1, 3, 3, 3])
    root.mkdir()
    for name in empty:
        (root / name).mkdir(parents=True)
    paths = []
    for name in filled:
        for i in range(rng.integers(1, 7)):
            path = root / name / f"{i}{rng.choice(['.png', '.bmp', '.tif', '.PNG'])}"
            pixels = making.pixels(*rng.integers(16, 22, 2), n_channels, seed=len(paths) // 2)
            paths.append(making.write_image(path, pixels))
    if paths and rng.random() < 0.6:
        write_fault(paths[rng.integers(len(paths))], rng.choice(FAULTS), n_channels)
    if rng.random() < 0.15:
        labels = [[path.relative_to(root).as_posix(), i % 3] for i, path in enumerate(paths)]
        labels = labels if rng.random() < 0.6 else None
        (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return f"folder:{root}"


def write_fault(path, fault, n_channels):
    """Give one file of a folder a fault, or put a file of a fault beside it."""
    if fault == "gray":
        making.write_image(path, making.pixels(16, 16, 4 - n_channels))
    elif fault == "small":
        making.write_image(path, making.pixels(9, 30, n_channels))
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:-60])
    elif fault == "not an image":
        path.write_bytes(b"nothing")
    elif fault in ("gif", "text"):
        path.with_suffix({"gif": ".gif", "text": ".txt"}[fault]).write_bytes(b"nothing")
    elif fault == "float":
        Image.fromarray(np.ones((16, 16), np.float32)).save(path, "TIFF")
    elif fault == "pages":
        making.write_animation(path.with_suffix(".tif"), 16, 16)


def write_arrays(path, rng):
    """Write an npz file with or without labels, a test split, or names. Returns the --data."""
    n, channels = rng.choice([1, 9, 300]), rng.choice([1, 3, 3, 4])
    images = making.pixels(n, 16, 16, channels)
    arrays = {rng.choice(["images", "x_train", "pictures"]): images}
    if rng.random() < 0.6:
        arrays[rng.choice(["labels", "y", "digit"])] = rng.integers(-1, 4, n)
    if rng.random() < 0.4:
        arrays["test_images"] = making.pixels(3, 16, 16, rng.choice([channels, 1]))
    if rng.random() < 0.3:
        arrays["test_labels"] = rng.integers(0, 3, 3)
    if rng.random() < 0.1:
        arrays["images"] = images / 255
    np.savez(path, **arrays)
    return f"npz:{path}"


def make_case(seed, folder):
    """Make data and a command. Returns (name of the training command, words)."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    write = write_arrays if rng.random() < 0.3 else write_folder
    data = write(folder / ("set.npz" if write is write_arrays else "set"), rng)
    if rng.random() < 0.05:
        data = rng.choice([data.partition(":")[2], f"{data}x", f"shard:1/2/0:{data}", "toys:plus"])
    chosen = rng.choice(len(FLAGS), rng.integers(0, 3), replace=False)
    size = rng.choice([8, 12, 12, 16])
    words = [f"--data={data}", f"--size={size}", "--width=2", "--batch=4", "--steps=2"]
    words += [
        "--devices=1",
        f"--workdir={folder}/run",
        *(word for i in chosen for word in FLAGS[i]),
    ]
    return rng.choice(METHODS), words


def verdict(capsys, name, words):
    """Run a training command. Returns (exit code, what it refuses, what it prints)."""
    code = process.guarded(lambda argv: train.run(name, argv), words)
    out, err = capsys.readouterr()
    return code, err.splitlines()[-1] if code else "", out


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_the_verdict_is_that_of_the_command(part, tmp_path, capsys, monkeypatch):
    """Of new runs and of those that would go on; both verdicts occur often."""
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    accepted, seeds = 0, range(part * N_CASES // 4, (part + 1) * N_CASES // 4)
    for seed in seeds:
        name, words = make_case(seed, tmp_path / str(seed))
        checked = verdict(capsys, name, [*words, "--check_data"])
        *real, out = verdict(capsys, name, [*words, "--dry_run"])
        assert list(checked[:2]) == real, (seed, name, words, checked, real)
        assert ("Verdict: training would accept this command." in checked[2]) == (not real[0])
        if real[0] or "--members=2" in words:
            continue
        accepted += 1
        config = json.loads(out[out.index("\n{") : out.rindex("}") + 1])
        (tmp_path / str(seed) / "run").mkdir()
        (tmp_path / str(seed) / "run" / "config.json").write_text(json.dumps(config))
        again = verdict(capsys, name, [*words, "--check_data"])
        assert again[0] == 0, (seed, name, words, again)
    assert 5 < accepted < len(seeds) - 5


@pytest.mark.parametrize(
    ("name", "flags", "layout", "n_channels", "words"),
    [
        ("cgan", [], ["set/cat", "set/dog"], 3, ["needs classes"]),
        ("colorize", [], [""], 1, ["needs colour images"]),
        ("dcgan", ["--net=sngan", "--size=36"], [""], 3, ["--size=36"]),
        ("gan", ["--net=distgan_mnist"], [""], 3, ["use --size=28"]),
        ("dcgan", ["--condition=attributes"], ["cat", "dog"], 3, ["attributes"]),
    ],
)
def test_what_the_method_refuses_is_refused(
    name, flags, layout, n_channels, words, tmp_path, capsys
):
    """A folder too many for classes, gray pictures to colour, sizes that a net does not have."""
    for i, folder in enumerate(layout):
        for j in range(6):
            path = tmp_path / "set" / folder / f"{j}.png"
            making.write_image(path, making.pixels(40, 40, n_channels, seed=10 * i + j))
    command = [f"--data=folder:{tmp_path}/set", "--size=16", "--devices=1", "--batch=4", *flags]
    command.append(f"--workdir={tmp_path}/run")
    checked = verdict(capsys, name, [*command, "--check_data"])
    real = verdict(capsys, name, command)
    assert checked[0] == real[0] == 2 and checked[1] == real[1]
    assert all(word in real[1] for word in words) and not (tmp_path / "run").exists()


def test_a_run_folder_that_would_be_refused_is_part_of_the_verdict(tmp_path, capsys):
    """It holds a run on other images: --check_data has the digest that training would have."""
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16, 3))
    words = [f"--data=folder:{tmp_path}/set", "--size=16", "--devices=1", "--batch=4"]
    words.append(f"--workdir={tmp_path}/run")
    _, _, out = verdict(capsys, "dcgan", [*words, "--dry_run"])
    (tmp_path / "run").mkdir()
    config = out[out.index("\n{") : out.rindex("}") + 1]
    (tmp_path / "run" / "config.json").write_text(config)
    assert verdict(capsys, "dcgan", [*words, "--check_data"])[0] == 0
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16, 3, seed=1))
    checked = verdict(capsys, "dcgan", [*words, "--check_data"])
    assert checked[0] == 2 and "the content of" in checked[1]
    assert verdict(capsys, "dcgan", words)[:2] == checked[:2]
    assert verdict(capsys, "dcgan", [*words, "--check_data", "--restart"])[0] == 0


def test_what_is_accepted_may_still_be_remarkable(tmp_path, capsys):
    """Few images, intervals beyond the length, a nearly black range: in both commands."""
    images = making.pixels(10, 16, 16, 3) // 10
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(10) % 2 + 1)
    words = [f"--data=npz:{tmp_path}/a.npz", "--size=16", "--devices=1", "--batch=32"]
    words += ["--steps=100", "--save_every=500", "--sample_every=50", "--log_every=10"]
    words.append(f"--workdir={tmp_path}/run")
    expected = (
        "Longer than the run of --steps=100: --save_every=500; so the only checkpoint comes at",
        "Only 10 images for --batch=32",
        "Evaluation would refuse these data as they are: ",
        "has 10 images, too few",
        "No training image is of class 0: left out",
        "The images are nearly black",
    )
    code, _, out = verdict(capsys, "dcgan", [*words, "--check_data"])
    assert code == 0 and all(text in out for text in expected)
    assert process.guarded(lambda argv: train.run("dcgan", argv), [*words, "--dry_run"]) == 0
    said = capsys.readouterr().err
    assert all(text in said for text in expected)


def test_a_class_without_images_does_not_hide_the_rest(tmp_path, capsys):
    """All that is wrong is in the report; the verdict is the first refusal."""
    for name in ("cat", "dog"):
        making.write_image(tmp_path / "set" / name / "a.png", making.pixels(16, 16, 3))
    (tmp_path / "set" / "cat" / "bad.png").write_bytes(b"nothing")
    (tmp_path / "set" / "fox").mkdir()
    (tmp_path / "set" / "fox" / "a.gif").write_bytes(b"nothing")
    words = [f"--data=folder:{tmp_path}/set", "--size=16", f"--workdir={tmp_path}/run"]
    code, error, out = verdict(capsys, "cgan", [*words, "--devices=1", "--check_data"])
    assert code == 2 and "fox/ (1 .gif)" in error
    assert "cat/bad.png" in out and "fox/ (1 .gif)" in out and "duplicates    1" in out
