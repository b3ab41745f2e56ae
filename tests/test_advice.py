"""What refusals advise works when it is typed.

Each case is a command that is refused. Its message is read as a user reads it (tests/advice.py),
each way out that it names is typed, and the command has to be accepted then: it ends, or reaches
what takes long. A way may lead to one more refusal, of something else, whose advice is typed in
turn. The last test counts the refusals in the source: one that advises what to type has a case in
tests/advice_cases.py, or a reason there why it is not run.
"""

import pathlib
import re
import shlex
import shutil
import sys
import tomllib
import traceback

import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import config, plugins
from gan_jax.commands import entry, presets
from gan_jax.core.initialize import init_jitted
from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint, config_file, run_lock
from tests import advice, paths
from tests.advice_cases import CASES, NOT_RUN, TINY

MAX_REFUSALS = 4  # one after another, until a command is accepted


class Reached(Exception):
    """Raised where a command would begin what takes long."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: path} of what the cases name."""
    root = tmp_path_factory.mktemp("advice")
    return {path.name.partition(".")[0]: str(path) for path in make_files(root)} | {
        "root": str(root),
        "new": str(root / "new"),
    }


def make_files(root):
    """Write small data, run folders and flagfiles; return their paths."""
    random = np.random.default_rng(0)

    def images(n, side=16, channels=3):
        return random.integers(0, 256, (n, side, side, channels), dtype=np.uint8)

    labels = np.arange(300) % 3
    test = {"test_images": images(60), "test_labels": labels[:60]}
    arrays = {
        "plain": {"images": images(300)},
        "five": {"images": images(5)},
        "labelled": {"images": images(300), "labels": labels, **test},
        "train_only": {"images": images(300), "labels": labels},
        "gray": {"images": images(300, channels=1), "labels": labels},
        "halves": {"images": images(20), "labels": labels[:20] / 2},
        "wide": {"images": random.integers(0, 256, (60, 16, 24, 3), dtype=np.uint8)},
        "clash": {"images": images(300), "labels": labels % 2, "classes": ["a/b", "a-b"], **test}
        | {"test_labels": labels[:60] % 2},
        "lacking": {"images": images(300), "labels": labels, **test}
        | {"test_labels": labels[:60] % 2},
    }
    for name, content in arrays.items():
        np.savez(root / f"{name}.npz", **content)
        yield root / f"{name}.npz"
    table = "".join(f"{i},{i / 7:.3f},{i}\n" for i in range(300))
    (root / "values.csv").write_text(f"n,z,m\n{table}")
    yield root / "values.csv"
    for name, side in (("small", 10), ("tiny", 6)):
        (root / name).mkdir()
        for i, pixels in enumerate([*images(6), *images(1, side)]):
            Image.fromarray(pixels).save(root / name / f"{i}.png")
        yield root / name
    (root / "mixed").mkdir()
    Image.fromarray(images(1)[0]).save(root / "mixed" / "a.png")
    Image.fromarray(images(1)[0][..., 0]).save(root / "mixed" / "b.png")
    yield root / "mixed"
    (root / "bad").mkdir()
    for i, pixels in enumerate(images(6)):
        Image.fromarray(pixels).save(root / "bad" / f"{i}.png")
    (root / "bad" / "broken.png").write_bytes(b"no picture")
    yield root / "bad"
    for name in ("loose", "loose/of_a_class", "chunks/00000", "vague/00000"):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images(1)[0]).save(root / name / "a.png")
        yield root / name.partition("/")[0]
    (root / "empty_class" / "a").mkdir(parents=True)
    (root / "empty_class" / "b").mkdir()
    Image.fromarray(images(1)[0]).save(root / "empty_class" / "a" / "a.png")
    yield root / "empty_class"
    (root / "chunks" / "dataset.json").write_text('{"labels": [["00000/a.png"]]}')
    (root / "vague" / "dataset.json").write_text('{"labels": [["00000/a.png", "cat"]]}')
    for name, folder in SURVEYS.items():
        (root / name / folder).mkdir(parents=True)
        for i in (1, 2, 3):
            Image.fromarray(images(1, 120)[0]).save(root / name / folder / f"00000{i}.jpg")
        yield root / name
    rows = "".join(f"00000{i}.jpg 1 -1\n" for i in (1, 2, 3, 4))  # the last has no image
    (root / "celebs" / "list_attr_celeba.txt").write_text(f"4\nMale Smiling\n{rows}")
    (root / "trusting.flags").write_text("--trust\n--width=2\n")
    yield root / "trusting.flags"
    (root / "foreign.flags").write_text("--loss=python:own_loss:LOSS\n")
    yield root / "foreign.flags"
    (root / "own_loss.py").write_text(
        "from gan_jax.core import losses\n\nLOSS = losses.ADVERSARIAL['hinge']\n"
    )
    (root / "other_loss.py").write_text((root / "own_loss.py").read_text())
    (root / "own_points.py").write_text(OWN_POINTS)
    (root / "file").write_text("")
    yield root / "file"
    for name, words in RUNS.items():
        make_run(root / name, [word.format(root=root) for word in words])
        yield root / name
    shutil.copytree(root / "gan", root / "foreign_run")
    settings = (root / "gan" / "config.json").read_text()
    foreign = re.sub(r'"loss": "\w+"', '"loss": "python:other_loss:LOSS"', settings)
    (root / "foreign_run" / "config.json").write_text(foreign)
    yield root / "foreign_run"
    shutil.copytree(root / "gan", root / "damaged")
    best = settings.replace('"keep_best": "none"', '"keep_best": "frechet"')
    (root / "damaged" / "config.json").write_text(best)
    shutil.copytree(root / "gan" / "checkpoints" / "4", root / "damaged" / "checkpoints" / "8")
    yield root / "damaged"
    (root / "leftover" / "checkpoints").mkdir(parents=True)
    yield root / "leftover"
    entry.run("publish", [str(root / "gan"), f"--out={root / 'published'}"])
    yield root / "published"


OWN_POINTS = """
import numpy as np


def load(arg, options, split):
    return (np.zeros((50, 1, 1, 2), np.float32), None, ()) if split == "train" else None
"""
SURVEYS = {
    "zoo": "images_training_rev1",
    "celebs": "img_align_celeba",
    "unnamed": "img_align_celeba",
}
_SMALL = ["--size=8", "--width=2", "--z_dim=3", "--batch=4", "--steps=8", "--devices=1"]
RUNS = {
    "gan": ["dcgan", "--data=galaxies:300", *_SMALL],
    "kinds": ["cgan", "--data=npz:{root}/labelled.npz", *_SMALL],
    "valued": [
        "cgan",
        "--data=npz:{root}/labelled.npz",
        "--labels={root}/values.csv:z",
        "--condition=quantities",
        *_SMALL,
    ],
    "colorize": ["colorize", "--data=galaxies:300", *_SMALL],
    "points": ["gan", "--data=toys:plus", "--net=mlp", "--pixels=linear", *_SMALL],
}


def make_run(folder, words):
    """Write a run folder with a checkpoint, as training would leave it, without training."""
    from gan_jax.commands import train as training

    name, *flags = words
    _, _, configured, values = training.configure(name, flags)
    prepared = config.prepare(configured)
    folder.mkdir()
    values["data"].value = configured.run.data
    (folder / "flags.txt").write_text(training._flags_text(values))
    config_file.write(folder, prepared.to_dict())
    (folder / "metrics.jsonl").write_text("")
    with checkpoint.Store(folder) as store:
        store.save(4, init_jitted(prepared.method, 0), {"n": np.zeros(1)})


@pytest.fixture
def stages(files, monkeypatch):
    """Commands end where they would begin what takes long: to score, sample, serve or export."""
    from gan_jax.data import galaxies
    from gan_jax.metrics import evaluate as metrics_evaluate
    from gan_jax.metrics.features import classifier
    from gan_jax.onnx_export import generators, toy_page
    from gan_jax.rundir import hub
    from gan_jax.studies.ablate import command as ablate
    from gan_jax.studio import serving
    from gan_jax.training import sampling, training_loop
    from gan_jax.web import runtime

    monkeypatch.syspath_prepend(files["root"])
    monkeypatch.setattr(galaxies, "N_TRAIN", 200)  # of --data=galaxies

    def reached(*_, **__):
        raise Reached

    for module, name in (
        (classifier, "load_trained"),
        (metrics_evaluate, "evaluate"),
        (metrics_evaluate, "evaluate_points"),
        (generators, "export_generator"),
        (generators, "export_classifier"),
        (toy_page, "export_method"),
        (serving, "serve"),
        (runtime, "files"),
        (training_loop, "train"),
        (ablate, "build_plan"),
        (hub, "upload"),
    ):
        monkeypatch.setattr(module, name, reached)
    monkeypatch.setattr(sampling, "build_sampler", lambda *_, **__: reached)


def attempt(words):
    """The refusal of a command line; None if it is accepted."""
    name, *flags = words
    if name == "train":
        name, *flags = flags
    try:
        with plugins.trusting([name]):
            entry.run(entry.ALIASES.get(name, name), flags)
    except InputError as error:
        return error
    except (Reached, SystemExit):
        return None
    return None


def modules_of(error):
    """The files that a refusal passed through, from that which raised it."""
    found = []
    while error is not None:
        found += [f.filename for f in traceback.extract_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    return found


def accepted(words, places, refused_before=()):
    """Type a command line, and what its refusals advise; fail where none of that is accepted."""
    error = attempt(words)
    if error is None:
        return True
    message = str(error)
    if len(refused_before) >= MAX_REFUSALS or message in refused_before:
        return False
    ways = [w for w in advice.read(message, words, places) if "--help" not in w.command]
    for way in ways:
        if way.install:  # an extra that this environment lacks: the rest was accepted
            assert_installs(way.install)
            return True
    return any(accepted(w.typed(words), places, (*refused_before, message)) for w in ways)


def assert_typed(way, words, places, refusal):
    """One way out of a refusal works.

    What is refused next, if anything, is not what was just typed: its ways out keep that.
    """
    if way.install:
        assert_installs(way.install)
        return
    if way.env:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in way.env:
                patch.setenv(name, value)
            assert attempt(words) is None
        return
    typed = way.typed(words)
    error = attempt(typed)
    if error is None:
        return
    advised = {name for name, word in way.flags if word}
    next_ways = advice.read(str(error), typed, places)
    keeping = [w for w in next_ways if not advised & {name for name, _ in w.flags}]
    assert str(error) != refusal, f"{way}: refused again"
    assert keeping or not advised, f"{way}: refused itself, {error}"
    assert accepted(typed, places, (refusal,)), f"{way}: {error}"


def assert_installs(command):
    """What is to be installed is an extra of gan_jax, or a package by its name."""
    extra = re.search(r"\[(\w+)\]", command)
    known = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    assert extra is None or extra[1] in known["optional-dependencies"]


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_advice_works_when_typed(case, files, stages, monkeypatch, capsys):
    for name, value in case.env.items():
        monkeypatch.setenv(name, value.format(**files))
    if case.missing:
        monkeypatch.setitem(sys.modules, case.missing, None)
    words = shlex.split(case.command.format(**files))
    places = {flag: value.format(**files) for flag, value in case.places.items()}
    error = attempt(words)
    assert error is not None, "it is accepted"
    message = str(error)
    assert all(part in message for part in case.words.split("{}")), message
    assert any(file.endswith(f"gan_jax/{case.path}") for file in modules_of(error)), message
    assert "\n" not in message
    if case.rewrite:
        name, text = case.rewrite
        pathlib.Path(files[name]).write_text(text)
    ways = advice.read(message, words, places)
    assert ways, f"no advice is read from: {message}"
    for way in ways:
        assert_typed(way, words, places, message)


@pytest.mark.long
def test_a_run_that_another_process_trains(files, stages):
    """The advice is another folder."""
    words = shlex.split(f"train dcgan {TINY}".format(**files).replace("--dry_run ", ""))
    words = [*words[:-1], f"--workdir={files['root']}/busy"]
    with run_lock.lock_run(pathlib.Path(files["root"]) / "busy"):
        message = str(attempt(words))
        (way,) = advice.read(message, words, {"workdir": files["new"]})
        assert attempt(way.typed(words)) is None


@pytest.mark.long
def test_five_images_are_scored_by_what_is_advised(files):
    """Nothing is left out here: the images are scored."""
    flags = "--size=8 --neighbours=0 --repeats=1"
    line = f"evaluate --images=npz:{{five}} --data=npz:{{five}} {flags} --workdir={{root}}/scored"
    words = shlex.split(line.format(**files))
    ways = advice.read(str(attempt(words)), words, {})
    (way,) = [way for way in ways if way.flags[0][0] == "scores"]
    assert way.flags == (("scores", "--scores=kernel,ms_ssim,directions"),)
    assert attempt(way.typed(words)) is None
    assert (pathlib.Path(files["root"]) / "scored" / "report.html").exists()


@pytest.mark.long
def test_advice_of_the_python_api(files):
    with pytest.raises(InputError, match="use one of: ") as error:
        gan_jax.train("vae")
    names = str(error.value).partition("use one of: ")[2].rstrip(".").split(", ")
    assert all(presets.is_training(name) for name in names)
    with pytest.raises(InputError, match="leave it out"):
        gan_jax.load(files["gan"]).sample(2, kind=1)
    assert gan_jax.load(files["gan"]).sample(2).shape == (2, 8, 8, 3)
    run = gan_jax.load(files["kinds"])
    with pytest.raises(InputError, match="add kind=, one of: ") as error:
        run.generator(run.noise(2))
    kind = str(error.value).partition("one of: ")[2].rstrip(".").split(", ")[-1]
    with pytest.raises(InputError, match="give 0 to ") as error:
        run.sample(2, kind=9)
    number = int(str(error.value).partition("give 0 to ")[2].rstrip("."))
    np.testing.assert_array_equal(run.sample(2, kind=kind), run.sample(2, kind=number))


def test_every_refusal_that_advises_has_a_case():
    """A new one needs a case above, or a line in NOT_RUN."""
    found = list(advice.refusals())
    cases = [(case.path, case.words) for case in CASES]
    excused = [(path, words) for path, refusals in NOT_RUN.items() for words in refusals]
    known = [*cases, *excused, ("rundir/run_lock.py", "Another process is training")]
    lacking = [
        refusal
        for refusal in found
        if advice.advises(refusal.text)
        and not any(path == refusal.path and words in refusal.text for path, words in known)
    ]
    assert not lacking
    stale = [
        (path, words)
        for path, words in known
        if not any(path == refusal.path and words in refusal.text for refusal in found)
    ]
    assert not stale
