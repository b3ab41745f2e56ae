"""S0's study: what the numbers of nodes become, and a whole study made, stopped, continued, and made by processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from gan_jax.commands import command_line, evaluate, process, sample
from gan_jax.metrics.features import classifier
from gan_jax.rundir import run_folder
from gan_jax.studies import vote
from gan_jax.studies.ensemble import command
from gan_jax.studies.ensemble import page as ensemble_page
from gan_jax.studies.ensemble import results as found
from gan_jax.training import training_loop

SMOKE = ("--flagfile=ensemble_smoke", "--devices=1")
LABELS = np.random.default_rng(0).integers(0, 4, 500)


def write_node(root, repeat, of, number, right, **record):
    """A node that is right about a share of the images, and names the next class for the others."""
    rng = np.random.default_rng([repeat, of, number])
    named = np.where(rng.random(500) < right, LABELS, (LABELS + 1) % 4)
    probs = np.full((500, 4), 0.1, np.float32)
    probs[np.arange(500), named] = 0.7
    folder = root / f"repeat_{repeat}" / str(of) / f"node_{number}"
    (folder / "samples").mkdir(parents=True)
    np.savez(folder / "votes.npz", probs=probs)
    generators = [[6, 2, 1, 1], [2, 8, 0, 0]]
    values = {
        "n_shard": 600 // of,
        "labeller_accuracy": 0.9,
        "kept": [4, 4, 4, 3],
        "generators": generators,
    }
    values |= {
        "train_s": 60.0 / of + number,
        "together": 1,
        "accuracy": float((named == LABELS).mean()),
        "classify_s": 1.0,
    }
    (folder / "node.json").write_text(json.dumps(values | record))
    return named


@pytest.fixture
def folder(tmp_path):
    """Three repeats of 1 and of 3 nodes; a fourth in which one failed, a fifth that is not finished."""
    for repeat in range(4):
        write_node(tmp_path, repeat, 1, 1, 0.9)
        for number in (1, 2, 3):
            failed = {"failed": "it diverged"} if (repeat, number) == (3, 2) else {}
            write_node(tmp_path, repeat, 3, number, 0.8, **failed)
    write_node(tmp_path, 4, 3, 1, 0.8)
    return tmp_path


def test_results_are_those_of_the_votes(folder):
    results = found.collect(folder, LABELS, "abcd")
    three = results["counts"]["3"]
    assert three["repeats"] == [0, 1, 2] and results["counts"]["1"]["repeats"] == [0, 1, 2, 3]
    assert results["failed"] == {"repeat_3/3/node_2": "it diverged"}
    for i in range(3):
        probs = np.stack(
            [np.load(folder / f"repeat_{i}/3/node_{k}/votes.npz")["probs"] for k in (1, 2, 3)]
        )
        right, voted = probs.argmax(-1) == LABELS, vote.plurality(probs) == LABELS
        assert three["single"][i] == pytest.approx(right.mean()) and three["voted"][
            i
        ] == pytest.approx(voted.mean())
        only = (int((voted & ~right[0]).sum()), int((right[0] & ~voted).sum()))
        assert (three["mcnemar"][i]["only_a"], three["mcnemar"][i]["only_b"]) == only
        assert three["mcnemar"][i]["p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
        assert three["per_image"][i]["t"] == pytest.approx(
            stats.ttest_rel(voted.astype(float), right.mean(0)).statistic
        )
    wanted = stats.ttest_rel(three["voted"], three["single"])
    assert (three["gain"]["t"], three["gain"]["p"]) == pytest.approx(
        (wanted.statistic, wanted.pvalue)
    )
    assert three["parallel_s"] == [23.0] * 3 and three["sequential_s"] == [66.0] * 3
    assert three["kept"] == [0.75] * 3 and three["unspecialised"] == [0.5] * 3
    assert three["purity"] == pytest.approx([0.7] * 3)
    assert three["classes_of_generators"] == [2.0] * 3
    assert results["counts"]["1"]["gain"]["note"].startswith("all 4 differences are 0")
    json.dumps(results, allow_nan=False)


def test_tables_verdicts_and_page_follow_the_numbers(folder):
    results = found.collect(folder, LABELS, "abcd") | {"protocol": "Protocol & more."}
    main, images = found.tables(results)
    gain = results["counts"]["3"]["gain"]
    assert (
        f"| {100 * gain['mean']:+.2f} ({100 * gain['low']:+.2f} to" in main
        and "| - | - | - | - |" in main
    )
    assert "| 70.0 +- 0.0 | 50.0 +- 0.0 | 2.0 +- 0.0 |" in images
    said = "\n".join(found.verdicts(results))
    assert (
        "3 nodes, vote against the mean node: +" in said
        and "over 3 repeats" in said
        and "voting is better" in said
    )
    assert (
        "the mean node against one node with all data" in said
        and "one node with all data is better" in said
    )
    assert "all at once 0.38 of the time" in said and "one after another 1.08" in said
    assert "says nothing of what another training would give" in said
    assert (
        "left out: repeat_3/3/node_2: it diverged." in said
        and "70.0 % (50.0 % if no generator" in said
    )
    page = ensemble_page.document(results, folder)
    assert (
        "Protocol &amp; more." in page
        and page.count("<svg") == 0
        and page.count("data:image/svg") == 2
    )
    ensemble_page.draw(results, folder / "plot.png")
    assert (folder / "plot.png").stat().st_size > 5000


def test_gains_without_spread_are_said_to_be_so(tmp_path):
    for repeat in range(2):
        for number in (1, 2):
            write_node(tmp_path, repeat, 2, number, 1.0)
    results = found.collect(tmp_path, LABELS, "abcd")
    said = "\n".join(found.verdicts(results))
    assert "+0.00 points; all 2 differences are 0: no spread, no interval, no p-value" in said
    assert "right on the same images: no p-value (McNemar)" in said and "2 nodes -." in said
    assert "95 %" not in said, "no interval, no word of one"
    assert "| +0.00 | - | 0 of 2 | - |" in found.tables(results)[0]


def test_an_empty_study_has_tables(tmp_path):
    results = found.collect(tmp_path, LABELS, "abcd") | {"protocol": ""}
    assert found.verdicts(results) == [] and len(found.tables(results)) == 2
    assert "Verdict" in ensemble_page.document(results, tmp_path)


def test_plan_is_repeat_by_repeat_and_seeds_differ():
    nodes = command.plan(command.Study(nodes="3,1", repeats=2))
    assert [tuple(n) for n in nodes] == [
        (r, of, i) for r in (0, 1) for of, i in ((1, 1), (3, 1), (3, 2), (3, 3))
    ]
    seeds = {s for seed in (0, 1) for n in nodes for s in command.seeds_of(n, seed)}
    assert len(seeds) == 2 * len(nodes) * 3 and all(0 <= s < 2**31 for s in seeds)
    run = command._RUN
    assert len({command.data_of(n, run) for n in nodes}) == len(nodes)
    assert command.data_of(nodes[1], run) == "shard:1/3/0:idx:data/mnist"
    assert command.plan(command.Study(node="4/6/2")) == [command.Node(4, 6, 2)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes=0,2"], "--nodes=0,2 cannot be read"),
        (["--nodes=two"], "as in --nodes=1,3,5"),
        (["--node=0/3/4"], "--node=0/3/4 cannot be read"),
        (["--node=3"], "--node=0/3/1"),
        (["--steps=5"], "use --epochs"),
        (["--members_by=unrolled", "--jobs=2"], "leave out --jobs"),
        (["--data=npz:{}/plain.npz"], "no two classes"),
        (["--data=npz:{}/train.npz"], "no labelled test images"),
        (["--nodes=60"], "too few for 60 nodes"),
    ],
)
def test_refusals(words, said, tmp_path, capsys):
    images, labels = np.zeros((300, 16, 16, 3), np.uint8), np.arange(300) % 3
    np.savez(tmp_path / "plain.npz", images=images)
    np.savez(tmp_path / "train.npz", images=images, labels=labels)
    words = [word.format(tmp_path) for word in words]
    assert process.guarded(command.run, [*SMOKE, *words, f"--workdir={tmp_path}/study"]) == 2
    error = capsys.readouterr().err
    assert (
        said in error.splitlines()[-1]
        and "Traceback" not in error
        and not (tmp_path / "study").exists()
    )


def test_dry_run_lists_the_nodes(tmp_path, capsys):
    assert process.guarded(command.run, [*SMOKE, "--dry_run", f"--workdir={tmp_path}/study"]) == 0
    assert "8 nodes" in capsys.readouterr().out and not (tmp_path / "study").exists()


def without_times(folder):
    """results.json but for what a clock says, and the states in which the runs ended."""
    results = json.loads((folder / "results.json").read_text())
    for values in results["counts"].values():
        del values["parallel_s"], values["sequential_s"]
    return results, {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("DONE")}


STUDY = (*SMOKE, "--nodes=1,2", "--repeats=1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    assert process.guarded(command.run, [*STUDY, f"--workdir={folder}"]) == 0
    return folder


def test_a_study_ends_in_a_page_and_its_nodes_are_ordinary_runs(whole, capsys):
    results, done = without_times(whole)
    assert set(results["counts"]) == {"1", "2"} and len(done) == 3 and results["n_test"] == 240
    two = results["counts"]["2"]
    assert (
        two["n_shard"] == 120
        and len(two["nodes"][0]) == 2
        and two["gain"]["note"].startswith("one pair")
    )
    assert {p.name for p in whole.iterdir()} >= {
        "tables.md",
        "results.json",
        "ensemble.png",
        "report.html",
        "study.json",
    }
    page = (whole / "report.html").read_text()
    assert (
        "Verdict" in page
        and page.count("data:image/png") == 2
        and "http://" not in page.replace("http://www.w3.org", "")
    )
    node = whole / "repeat_0" / "2" / "node_2"
    assert process.guarded(sample.run, [f"--workdir={node}", "--n=9"]) == 0
    assert (node / "sampled.png").exists()
    source, heldout = run_folder.data(run_folder.load(node).config)
    assert len(source.images) == 120 and len(heldout.images) == 240


@pytest.mark.slow
def test_a_node_can_be_scored(whole, capsys):
    node = whole / "repeat_0" / "2" / "node_2"
    assert (
        process.guarded(
            evaluate.run,
            [f"--workdir={node}", "--n_images=60", "--repeats=2", "--scores=kernel,coverage"],
        )
        == 0
    )


def test_nodes_in_one_program_are_the_nodes_alone(whole, tmp_path):
    words = [
        *STUDY,
        "--nodes=2",
        "--devices=1",
        "--members_by=unrolled",
        f"--workdir={tmp_path}/study",
    ]
    assert process.guarded(command.run, words) == 0
    found, wanted = without_times(tmp_path / "study"), without_times(whole)
    assert found[0]["counts"]["2"] == wanted[0]["counts"]["2"]
    nodes = [
        json.loads((tmp_path / f"study/repeat_0/2/node_{i}/node.json").read_text()) for i in (1, 2)
    ]
    assert [node["together"] for node in nodes] == [2, 2]
    results = json.loads((tmp_path / "study" / "results.json").read_text())["counts"]["2"]
    assert results["sequential_s"][0] == pytest.approx(
        np.mean([node["train_s"] for node in nodes]), rel=1e-6
    )


def test_a_stopped_study_ends_as_if_it_never_stopped(whole, tmp_path, monkeypatch, capsys):
    """Stopped by a signal within a GAN, then killed between a node's classifiers; finished nodes are not made again."""
    words = [*STUDY, "--save_every=3", f"--workdir={tmp_path}/study"]
    advance, fit = training_loop.Loop.advance, classifier.fit

    def signalled(loop, until):
        if "node 2 of 2" in loop.name:
            os.kill(os.getpid(), signal.SIGTERM)
        advance(loop, until)

    def killed(source, settings):
        if source.name.startswith("shard:2/2"):
            raise KeyboardInterrupt
        return fit(source, settings)

    monkeypatch.setattr(training_loop.Loop, "advance", signalled)
    assert process.guarded(command.run, words) == 4
    assert "stopped by SIGTERM" in capsys.readouterr().err
    monkeypatch.setattr(training_loop.Loop, "advance", advance)
    monkeypatch.setattr(classifier, "fit", killed)
    assert process.guarded(command.run, words) == 4
    out = capsys.readouterr().out
    assert "resumed at step 1 of 8" in out and "node 1 of 2" not in out
    monkeypatch.setattr(classifier, "fit", fit)
    assert process.guarded(command.run, words) == 0
    assert without_times(tmp_path / "study") == without_times(whole)


def test_more_repeats_are_added_and_other_settings_refused(whole, capsys):
    """What one start made is in the tables of the next, whichever nodes that asks for."""
    before, _ = without_times(whole)
    assert (
        process.guarded(command.run, [*STUDY, "--repeats=2", "--nodes=1", f"--workdir={whole}"])
        == 0
    )
    out, _ = capsys.readouterr()
    assert "repeat 1, node 1 of 1: accuracy" in out and "repeat 0, node 1 of 1: started" not in out
    after, _ = without_times(whole)
    assert after["counts"]["2"] == before["counts"]["2"] and after["counts"]["1"]["repeats"] == [
        0,
        1,
    ]
    for word, said in (
        ("--confidence=0.5", "--confidence=0.2, now 0.5"),
        ("--lr=1e-3", "--lr=0.0002, now 0.001"),
    ):
        assert process.guarded(command.run, [*STUDY, word, f"--workdir={whole}"]) == 2
        assert f"was made with {said}" in capsys.readouterr().err


def test_a_node_that_fails_is_named_and_not_repeated(tmp_path, capsys):
    words = [*SMOKE, "--nodes=1", "--repeats=1", "--confidence=1", f"--workdir={tmp_path}/study"]
    for _ in range(2):
        assert process.guarded(command.run, words) == 0
        assert (
            "left out: repeat_0/1/node_1: its labeller knows none of 192 images"
            in capsys.readouterr().out
        )
    diverging = [*SMOKE, "--nodes=1", "--repeats=1", "--lr=1e12", f"--workdir={tmp_path}/diverging"]
    assert process.guarded(command.run, diverging) == 0
    assert "left out: repeat_0/1/node_1: repeat 0, node 1 of 1: Player" in capsys.readouterr().out


@pytest.mark.slow
def test_processes_that_are_killed_make_the_same_study(tmp_path, child_env):
    """Two at a time, all killed at once as soon as one has saved; then one node by hand, then the rest."""
    words = [sys.executable, "-m", "experiments.ensemble", *STUDY, "--epochs=40", "--save_every=50"]
    subprocess.run(
        [*words, "--jobs=2", f"--workdir={tmp_path}/whole"],
        cwd=command_line.ROOT,
        env=child_env,
        check=True,
    )
    folder = tmp_path / "killed"
    with subprocess.Popen(
        [*words, "--jobs=2", f"--workdir={folder}"], cwd=command_line.ROOT, env=child_env
    ) as study:
        while not list(
            folder.glob("repeat_0/1/node_1/checkpoints/100")
        ):  # after which 50 is surely whole
            assert study.poll() is None
            time.sleep(0.05)
        subprocess.run(
            ["pkill", "-KILL", "-f", "--", f"--workdir={folder}"], check=True
        )  # the study and its nodes
    assert not (folder / "results.json").exists()
    subprocess.run(
        [*words, "--node=0/2/2", f"--workdir={folder}"],
        cwd=command_line.ROOT,
        env=child_env,
        check=True,
    )
    assert (folder / "repeat_0/2/node_2/node.json").exists() and not (
        folder / "results.json"
    ).exists()
    subprocess.run(
        [*words, "--jobs=2", f"--workdir={folder}"],
        cwd=command_line.ROOT,
        env=child_env,
        check=True,
    )
    assert without_times(folder) == without_times(tmp_path / "whole")
    assert any("resumed at step" in path.read_text() for path in (folder / "logs").glob("*.out"))
