"""Published folders: samples equal to the run's, in this process and another; damage is refused."""

import dataclasses
import functools
import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import config as configs
from gan_jax import methods
from gan_jax.core.initialize import init_jitted
from gan_jax.data.datasets import Dataset
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.rundir import checkpoint, config_file, host_state, hub, published, run_folder
from gan_jax.settings import RunSettings
from gan_jax.training import sampling
from tests import methods_small, paths, tiers

SIZE = 16


def dataset(case: str) -> Dataset:
    """A Dataset of the kind that a case of methods_small is built for."""
    shape = methods_small.shape(case)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, SIZE, SIZE, shape.colors), dtype=np.uint8)
    if not shape.classes:
        return Dataset(images, None, (), "test", "d")
    labels = np.repeat([0, 1, 2], (9, 3, 12)).astype(np.int32)
    return Dataset(images, labels, shape.classes, "test", "d")


def save_run(folder: pathlib.Path, case: str, step: int = 7) -> configs.Prepared:
    """Save an untrained run of a case, whose averages differ from its last weights."""
    name, options = methods_small.CASES[case]
    hp = dataclasses.replace(methods.TABLE[name].Settings(), **{**methods_small.SMALL, **options})
    run = RunSettings(data="test", size=SIZE, batch=4, steps=10, devices=1)
    prepared = configs.prepare(configs.Config(name, name, run, hp), dataset(case))
    state = host_state.to_host(init_jitted(prepared.method, 0))
    other = host_state.to_host(init_jitted(prepared.method, 1))
    averaged = {
        net: type(vs)(other.params[net], other.batch_stats[net]) for net, vs in state.ema.items()
    }
    state = dataclasses.replace(state, ema=averaged)
    folder.mkdir()
    config_file.write(folder, prepared.to_dict())
    with checkpoint.Store(folder) as store:
        store.save(step, state, {"loss": np.zeros(2, np.float32)})
    return prepared


def publish(folder: pathlib.Path, out: pathlib.Path, **files: bytes) -> None:
    """Publish a run without a card."""
    run = run_folder.load(folder)
    spec = configs.data_spec(run.dataset_info)
    config = config_file.read(folder)
    content = published.contents(config, run.method, spec, run.step, run.state)
    published.write(out, {**content, "README.md": b"# card", **files})


def draw(run: run_folder.LoadedRun, ema: bool = True) -> np.ndarray:
    """70 samples of a loaded run, of more than one chunk."""
    case = "colorize" if run.config.method == "colorize" else "gan"
    pool = dataset(case).images if run.method.conditioning.needs_images else None
    return sampling.build_sampler(run.method, pool)(run.state.vars(ema), jax.random.key(3), 70)


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    """(run folder, published folder) of a GAN."""
    folder = tmp_path_factory.mktemp("gan")
    save_run(folder / "run", "gan")
    publish(folder / "run", folder / "model")
    return folder / "run", folder / "model"


@pytest.fixture
def copy(gan, tmp_path):
    """A published folder that a test may damage."""
    return pathlib.Path(shutil.copytree(gan[1], tmp_path / "model"))


CASES = ("gan", "wgan_gp", "cgan", "acgan", "mgan", "infogan", "colorize", "distgan", "morpho")


def test_the_cases_are_all_methods():
    assert {methods_small.CASES[case][0] for case in CASES} == set(methods.TABLE)


QUICK = ("cgan", "mgan")


@pytest.mark.long
@pytest.mark.parametrize("case", tiers.cases(CASES, QUICK))
def test_samples_are_those_of_the_run(case, tmp_path):
    """Bit for bit, of the averaged generator; nets that sampling does not read are not there."""
    save_run(tmp_path / "run", case)
    publish(tmp_path / "run", tmp_path / "model")
    run, model = run_folder.load(tmp_path / "run"), run_folder.load(tmp_path / "model")
    want = draw(run)
    assert np.array_equal(draw(model), want) and np.array_equal(draw(model, ema=False), want)
    assert not np.array_equal(draw(run, ema=False), want)
    assert (model.config, model.dataset_info) == (run.config, run.dataset_info)
    assert (model.step, model.method.conditioning.names) == (7, run.method.conditioning.names)
    assert set(model.state.params) == {"gen"} and not model.state.opt_state
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(model.state.vars()))


@pytest.mark.long
def test_a_run_without_averages(tmp_path, monkeypatch):
    monkeypatch.setitem(methods_small.SMALL, "ema", 0.0)
    save_run(tmp_path / "run", "gan")
    publish(tmp_path / "run", tmp_path / "model")
    run, model = run_folder.load(tmp_path / "run"), run_folder.load(tmp_path / "model")
    assert np.array_equal(draw(model), draw(run))
    assert config_file.read(tmp_path / "model")["published"]["averaged"] == []
    assert run_folder.sampled_vars(model, ema=False) == model.state.vars()


@pytest.mark.long
def test_sampling_reads_the_generator_alone():
    """Also of methods with an encoder or several heads; a method that reads more gets more."""
    for case in ("distgan", "acgan", "mgan", "infogan", "colorize"):
        method, spec = methods_small.build(case), methods_small.shape(case)
        assert published.nets_of_sampling(method, spec) == ("gen",)
    method, sample = methods_small.build("distgan"), methods_small.build("distgan").sample
    assert "enc" in method.nets

    def sample_again(ctx, vs, z, condition, key):
        images = sample(ctx, vs, z, condition, key)
        code, _ = base.apply_net(ctx, vs, "enc", images, train=False)
        return sample(ctx, vs, code, condition, key)

    changed = method._replace(sample=sample_again)
    assert set(published.nets_of_sampling(changed, methods_small.SHAPE)) == {"enc", "gen"}


def test_what_is_in_the_folder(gan):
    run, model = gan
    assert sorted(path.name for path in model.iterdir()) == [
        "README.md", "config.json", "gan_jax.json", "model.safetensors",
    ]  # fmt: skip
    arrays = safetensors.numpy.load_file(model / "model.safetensors")
    assert all(
        name.split("/")[:2] in (["params", "gen"], ["batch_stats", "gen"]) for name in arrays
    )
    config = json.loads((model / "config.json").read_text())
    about = config.pop("published")
    assert config == json.loads((run / "config.json").read_text())
    state = host_state.to_host(run_folder.load(run).state)
    assert about["step"] == 7 and about["averaged"] == ["gen"]
    assert about["state_sha256"] == host_state.digest(state)


@pytest.mark.long
def test_equal_runs_give_equal_bytes(gan, tmp_path):
    run, model = gan
    publish(run, tmp_path / "again")
    for path in model.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.long
def test_another_process_samples_the_same(gan, child_env, tmp_path):
    script = (
        "import sys, numpy as np, jax; from gan_jax.rundir import run_folder;"
        "from gan_jax.training import sampling; run = run_folder.load(sys.argv[1]);"
        "samples = sampling.build_sampler(run.method)(run.state.vars(True), jax.random.key(3), 70);"
        "np.save(sys.argv[2], samples)"
    )
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    for i, folder in enumerate(gan):
        command = [sys.executable, "-c", script, str(folder), str(tmp_path / f"{i}.npy")]
        subprocess.run(command, env=env, check=True, cwd=tmp_path)
    assert np.array_equal(np.load(tmp_path / "0.npy"), np.load(tmp_path / "1.npy"))


def edit_json(path, **changes):
    """Change entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def tamper(folder):
    """Change one bit of a weight."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def seal(folder):
    """Make the checksums of a folder true again, as someone who tampers would."""
    files = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "gan_jax.json"
    }
    shutil.rmtree(folder)
    published.write(folder, files)


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def other_arrays(folder):
    """Weights of another net, with true checksums."""
    path = folder / "model.safetensors"
    arrays = safetensors.numpy.load(path.read_bytes())
    name = next(name for name in arrays if name.endswith("kernel"))
    path.write_bytes(safetensors.numpy.save(arrays | {name: arrays[name][..., :1].copy()}))
    seal(folder)


def no_arrays(folder):
    """Bytes that are no safetensors file, with true checksums."""
    (folder / "model.safetensors").write_bytes(b"not a file of arrays")
    seal(folder)


def no_step(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["published"]
    (folder / "config.json").write_text(json.dumps(config))
    seal(folder)


def outside(folder):
    manifest = json.loads((folder / "gan_jax.json").read_text())
    manifest["files"]["../secret"] = {"bytes": 1, "sha256": ""}
    (folder / "gan_jax.json").write_text(json.dumps(manifest))


DAMAGE = {
    "a weight was changed": (tamper, "model.safetensors is damaged or was changed .*checksum"),
    "the weights are cut off": (truncate, "model.safetensors is damaged or was changed .*bytes"),
    "the weights are gone": (lambda f: (f / "model.safetensors").unlink(), "is missing"),
    "the configuration was changed": (
        lambda f: edit_json(f / "config.json", method="acgan"),
        "config.json is damaged or was changed",
    ),
    "the configuration is gone": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "a picture was changed": (
        lambda f: (f / "samples.png").write_bytes(b"x"),
        "samples.png is damaged or was changed",
    ),
    "no checksums": (lambda f: (f / "gan_jax.json").unlink(), "gan_jax did not publish it"),
    "checksums cut off": (
        lambda f: (f / "gan_jax.json").write_text((f / "gan_jax.json").read_text()[:50]),
        "gan_jax.json cannot be read",
    ),
    "another program's file": (
        lambda f: (f / "gan_jax.json").write_text('["nothing"]'),
        "gan_jax.json cannot be read",
    ),
    "a path that leads out": (outside, "is not the name of a file in the folder"),
    "a newer format": (
        lambda f: edit_json(f / "gan_jax.json", format=published.FORMAT + 1, version="9.1"),
        "published by gan_jax 9.1 in format 2, .* install a newer gan_jax",
    ),
    "no format": (lambda f: edit_json(f / "gan_jax.json", format="one"), "is not a number"),
    "another net": (other_arrays, "this version expects"),
    "no arrays": (no_arrays, "is not what gan_jax publishes"),
    "no step": (no_step, "is not what gan_jax publishes"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_folder_is_refused_in_one_line(what, gan, tmp_path):
    damage, message = DAMAGE[what]
    folder = tmp_path / "model"
    publish_again = functools.partial(published.write, folder)
    files = {
        path.name: path.read_bytes() for path in gan[1].iterdir() if path.name != "gan_jax.json"
    }
    publish_again({**files, "samples.png": b"picture"})
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        run_folder.load(folder)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_the_card_may_be_edited_and_files_added(copy):
    (copy / "README.md").write_text("edited on the hub")
    (copy / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    assert run_folder.load(copy).step == 7


def test_other_checkpoints_and_last_weights_are_refused(gan):
    _, model = gan
    assert run_folder.load(model, "7").step == 7
    for which in ("best", "8"):
        with pytest.raises(InputError, match=f"--checkpoint={which} is not in .* step 7 alone"):
            run_folder.load(model, which)
    loaded = run_folder.load(model)
    with pytest.raises(InputError, match="--noema asks for the last weights"):
        run_folder.sampled_vars(loaded, ema=False)


@pytest.mark.parametrize("restart", [False, True])
def test_training_into_a_published_folder_is_refused(copy, restart):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    config, _ = run_folder.load_config(copy)
    with pytest.raises(InputError, match="is a published folder, which training would change"):
        run_folder.status(copy, config, restart)
    (copy / "gan_jax.json").unlink()  # a damaged one, too
    with pytest.raises(InputError, match="is a published folder"):
        run_folder.status(copy, config, restart)
    del before["gan_jax.json"]
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_places(gan, copy, tmp_path):
    """Only a published folder is replaced, and only on request; whole or not at all."""
    files = {
        path.name: path.read_bytes() for path in gan[1].iterdir() if path.name != "gan_jax.json"
    }
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("other", "file"):
        with pytest.raises(InputError, match="holds something else"):
            published.write(tmp_path / name, files, overwrite=True)
    with pytest.raises(InputError, match="is a published folder already; add --overwrite"):
        published.write(copy, files)
    (copy / "stray").write_text("x")
    published.write(copy, files | {"samples.png": b"new"}, overwrite=True)
    assert not (copy / "stray").exists() and (copy / "samples.png").read_bytes() == b"new"
    published.verify(copy)
    (tmp_path / "empty").mkdir()
    published.write(tmp_path / "empty", files)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["empty", "file", "model", "other"]  # and no scratch


def test_a_failed_write_leaves_what_was_there(gan, copy, monkeypatch):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def fail(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", fail)
    with pytest.raises(InputError, match="cannot be written .No space left"):
        published.write(copy, {"config.json": b"", "model.safetensors": b""}, overwrite=True)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


def test_outputs_lie_beside_a_published_folder(gan, monkeypatch, tmp_path):
    run, model = gan
    assert run_folder.output_folder(run) == run
    assert run_folder.output_folder(model) == model.with_name("model-results")
    assert run_folder.output_folder("hf:me/galaxies") == pathlib.Path("galaxies-results")
    monkeypatch.chdir(model)
    assert run_folder.output_folder(".") == model.with_name("model-results")


@pytest.mark.parametrize(
    "name", ["hf:", "hf:me", "hf:me/a/b", "hf:/etc/passwd", "hf:../..", "hf:a/ b"]
)
def test_names_on_the_hub(name):
    with pytest.raises(InputError, match="write hf:USER/NAME"):
        hub.repo_of(name)
    assert hub.repo_of("hf:me/x.y-z_1") == ("me/x.y-z_1", None)
    assert hub.repo_of("hf:me/x@v1") == ("me/x", "v1")


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"hf:me/x needs huggingface_hub; .*\[hub\]'"):
        run_folder.load("hf:me/x")
    with pytest.raises(InputError, match="--hub=me/x needs huggingface_hub"):
        hub.check_repo("me/x")
