"""--init_from: what a run takes from another, what it records of that, and what it never reads."""

import re
import shutil

import jax
import numpy as np
import pytest

from gan_jax.commands import inspect, publish, train
from gan_jax.core import transfer
from gan_jax.core.initialize import init_jitted
from gan_jax.core.state import Vars
from gan_jax.errors import InputError, Stopped
from gan_jax.rundir import config_file, host_state, run_folder
from tests import tiny_runs

TINY = [*tiny_runs.FLAGS, "--log_every=1", "--save_every=2", "--sample_every=0"]
NET = ["--net=mlp", "--depth=2"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a trained run, "old", its published folder, and data of four classes."""
    root = tmp_path_factory.mktemp("start")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez(root / "four.npz", images=images, labels=np.arange(40) % 4)
    train.run("cgan", [*TINY, *NET, "--steps=4", f"--workdir={root / 'old'}"])
    publish.run([str(root / "old"), f"--out={root / 'model'}"])
    return root


def begin(root, name, *flags, command="cgan", source="old", steps=2):
    """Train a run that begins with another. Returns its folder."""
    folder = root / name
    begun = f"--init_from={root / source}"
    train.run(command, [*TINY, *NET, f"--steps={steps}", begun, f"--workdir={folder}", *flags])
    return folder


def first_vars(root, name, source="old", command="cgan", *flags):
    """(the Vars that a run would begin with, the method's own first Vars, the source's)."""
    folder = root / name
    words = [*TINY, *NET, f"--init_from={root / source}", f"--workdir={folder}", *flags]
    command, workdir, config, _ = train.configure(command, words)
    (prepared,) = train.make_plan(command, workdir, config).runs
    own = init_jitted(prepared.method, config.run.seed)
    state = transfer.begin(prepared.method, own, prepared.start.vs)
    return state, own, run_folder.load(root / source).state.vars(ema=True)


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_like_run_begins_with_all_weights_and_nothing_else(root):
    state, own, source = first_vars(root, "like", "old", "cgan", "--seed=5")
    assert_same(state.vars(), source)
    assert_same(state.ema["gen"], Vars(source.params["gen"], source.batch_stats["gen"]))
    averaged = run_folder.load(root / "old").state
    assert not np.array_equal(  # G's are the averaged ones, not the last
        averaged.params["gen"]["net"]["hidden_0"]["kernel"],
        state.params["gen"]["net"]["hidden_0"]["kernel"],
    )
    assert int(state.step) == 0
    assert_same(jax.random.key_data(state.key), jax.random.key_data(own.key))
    assert_same(jax.tree.map(np.asarray, state.opt_state), jax.tree.map(np.asarray, own.opt_state))


def test_other_classes_leave_the_layers_new_that_depend_on_them(root):
    state, own, source = first_vars(
        root, "classes", "old", "cgan", f"--data=npz:{root / 'four.npz'}"
    )
    for net in ("gen", "disc"):
        for layer, arrays in state.params[net]["net"].items():
            assert_same(arrays, source.params[net]["net"][layer])
    assert_same(state.params["gen"]["embed"], jax.tree.map(np.asarray, own.params["gen"]["embed"]))


@pytest.mark.slow
def test_a_condition_that_is_new_keeps_the_other_layers(root):
    """From a conditional GAN to one without classes, and to another method."""
    state, own, source = first_vars(root, "plain", "old", "dcgan")
    inner = source.params["gen"]["net"]
    assert_same(state.params["gen"]["out"], inner["out"])
    assert_same(  # whose noise has no class beside it
        state.params["gen"]["hidden_0"], jax.tree.map(np.asarray, own.params["gen"]["hidden_0"])
    )
    folder = begin(root, "infogan", command="infogan")
    record = config_file.read(folder)["init_from"]
    assert record["taken"]["gen"] and record["taken"]["disc"]
    assert "Dense_3" in record["new"]["disc"], "the head of codes"


def test_layers_are_taken_whole_and_nets_only_with_a_kernel():
    kernel = np.ones((2, 3), np.float32)
    net = {"a": {"kernel": kernel, "bias": kernel[0]}, "norm": {"scale": kernel[0]}}
    into = Vars({"gen": net, "disc": net}, {"gen": {}, "disc": {"norm": {"mean": kernel[0]}}})
    wide = {"a": {"kernel": np.zeros((5, 3)), "bias": np.zeros(3)}, "norm": {"scale": np.zeros(3)}}
    other = Vars(
        {"gen": wide, "disc": wide | {"a": {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)}}},
        {"gen": {}, "disc": {"norm": {"mean": np.zeros(3)}}},
    )
    assert transfer.fitting_layers(into, other) == {"gen": set(), "disc": {("a",), ("norm",)}}
    vs = transfer.transfer(into, other)
    assert_same(vs.params["gen"], net)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves((vs.params["disc"], vs.batch_stats)))
    assert vs.params["disc"]["a"]["kernel"].dtype == np.float32


def test_it_is_recorded_and_shown(root, capsys):
    folder = begin(root, "shown")
    said = capsys.readouterr().out
    assert f"{folder} began with the weights of {root / 'old'} (cgan, step 4): " in said
    assert "gen all 4 layers" in said
    record = config_file.read(folder)["init_from"]
    source = run_folder.load(root / "old").state.vars(ema=True)
    assert record["sha256"] == host_state.digest(source) and record["step"] == 4
    inspect.run([str(folder)])
    assert record["sha256"] in capsys.readouterr().out
    assert record["sha256"] in (folder / "report.html").read_text()
    assert f"--init_from={root / 'old'}" in (folder / "flags.txt").read_text()
    publish.run([str(folder), f"--out={root / 'shown_model'}"])
    for name in ("README.md", "config.json", "flags.txt"):
        text = (root / "shown_model" / name).read_text()
        assert str(root) not in text and "old" in text
    assert "began with the weights of old (cgan, step 4)" in (
        (root / "shown_model" / "README.md").read_text()
    )
    run_folder.load(root / "shown_model")


def test_a_published_folder_lacks_what_sampling_does_not_read(root, capsys):
    folder = begin(root, "from_model", source="model")
    assert re.search(r"disc new[;.]", capsys.readouterr().out)
    assert config_file.read(folder)["init_from"]["taken"]["disc"] == 0


@pytest.mark.long
def test_a_resumed_run_never_reads_the_source(root, monkeypatch):
    shutil.copytree(root / "old", root / "gone")
    whole = begin(root, "whole", source="gone", steps=2)
    with pytest.MonkeyPatch.context() as patch:
        tiny_runs.stop_at(patch, 1)
        with pytest.raises(Stopped):
            begin(root, "cut", source="gone", steps=2)
    shutil.rmtree(root / "gone")
    cut = begin(root, "cut", source="gone", steps=2)
    assert (cut / "DONE").read_text() == (whole / "DONE").read_text()
    assert "init_from" in config_file.read(cut)
    with pytest.raises(InputError, match="was made with --init_from=.*gone, now .*old"):
        begin(root, "cut", steps=2)


def test_killed_before_anything_was_saved(root):
    """It begins with the same weights again, or is refused where they have changed."""
    whole = begin(root, "saved")
    folder = shutil.copytree(whole, root / "unsaved")
    shutil.rmtree(folder / "checkpoints")
    (folder / "DONE").unlink()
    begin(root, "unsaved")
    assert (folder / "DONE").read_text() == (whole / "DONE").read_text()
    shutil.rmtree(folder / "checkpoints")
    (folder / "DONE").unlink()
    path = folder / config_file.NAME
    path.write_text(re.sub(r'"sha256": "\w+"', '"sha256": "0"', path.read_text()))
    with pytest.raises(InputError, match="had saved nothing; use --restart"):
        begin(root, "unsaved")
    begin(root, "unsaved", "--restart")


@pytest.mark.slow
def test_every_member_begins_with_it(root):
    begin(root, "member", "--members=2")
    records = [config_file.read(root / f"member_{seed}")["init_from"] for seed in (0, 1)]
    assert records[0] == records[1]
    alone = begin(root, "alone", "--seed=1")
    assert (alone / "DONE").read_text() == (root / "member_1" / "DONE").read_text()


@pytest.mark.slow
def test_devices_make_no_difference(root):
    one = run_folder.load(begin(root, "one")).state
    two = run_folder.load(begin(root, "two", "--devices=2")).state
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)  # two steps of Adam


def test_refusals(root):
    with pytest.raises(InputError, match="--init_from=.* is neither a run folder nor a published"):
        begin(root, "new", source="nowhere")
    with pytest.raises(InputError, match="no layer .* use --net=mlp --width=2 as that run has"):
        begin(root, "new", "--width=8", "--net=dcgan")
    with pytest.raises(InputError, match="the folder of this run itself"):
        begin(root, "old", "--restart")
    assert not (root / "new").exists()


@pytest.mark.long
def test_a_finished_run_goes_on_as_a_new_one(root, capsys):
    folder = begin(root, "done")
    begin(root, "done")
    assert f"--init_from={folder}" in capsys.readouterr().out
    with pytest.raises(InputError, match="To train on, begin a new run") as error:
        begin(root, "done", steps=5)
    flags = re.search(r"add (--init_from=\S+) (--workdir=\S+);", str(error.value)).groups()
    train.run("cgan", [*TINY, *NET, "--steps=5", *flags])
    assert (root / "done_2" / "DONE").exists()


def test_frozen_layers_are_those_of_the_source(root, capsys):
    folder = begin(root, "frozen", "--freeze_disc=1")
    assert "frozen in disc: Dense_0" in capsys.readouterr().out
    assert config_file.read(folder)["init_from"]["frozen"] == {"disc": ["Dense_0"]}
    source, state = (run_folder.load(root / name).state for name in ("old", "frozen"))
    old, now = (s.params["disc"]["net"] for s in (source, state))
    assert_same(old["Dense_0"], now["Dense_0"])
    assert (old["Dense_1"]["kernel"] != now["Dense_1"]["kernel"]).any()
    with pytest.raises(InputError, match="Dense_0 of D would be new, .*; leave it out"):
        begin(root, "new", "--freeze_disc=1", source="model")
    with pytest.raises(InputError, match="keeps the weights of another run; add --init_from"):
        train.run("cgan", [*TINY, *NET, "--freeze_disc=1", f"--workdir={root / 'new'}"])
