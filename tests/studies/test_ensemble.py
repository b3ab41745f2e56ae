"""S0's study: numbers of nodes, and a whole study made, stopped, continued, made by processes."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from gan_jax.commands import evaluate, process, sample
from gan_jax.metrics.features import classifier_training
from gan_jax.rundir import run_folder
from gan_jax.studies import table_format, vote
from gan_jax.studies.ensemble import command, nodes
from gan_jax.studies.ensemble import page as ensemble_page
from gan_jax.studies.ensemble import results as found
from gan_jax.studies.ensemble.flags import RUN, Flags
from tests import paths
from tests.studies import helpers

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
    """Three repeats of 1 and of 3 nodes; a fourth with a failed node, an unfinished fifth."""
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
        right, voted = probs.argmax(-1) == LABELS, vote.plurality_vote(probs) == LABELS
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
    main, images = map(table_format.markdown, found.tables(results))
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
    assert "| +0.00 | - | 0 of 2 | - |" in table_format.markdown(found.tables(results)[0])


def test_an_empty_study_has_tables(tmp_path):
    results = found.collect(tmp_path, LABELS, "abcd") | {"protocol": ""}
    assert found.verdicts(results) == [] and len(found.tables(results)) == 2
    assert "Verdict" in ensemble_page.document(results, tmp_path)


def test_plan_is_repeat_by_repeat_and_seeds_differ():
    listed = nodes.list_nodes(Flags(nodes="3,1", repeats=2))
    assert [tuple(n) for n in listed] == [
        (r, of, i) for r in (0, 1) for of, i in ((1, 1), (3, 1), (3, 2), (3, 3))
    ]
    seeds = {s for seed in (0, 1) for n in listed for s in nodes.seeds_of(n, seed)}
    assert len(seeds) == 2 * len(listed) * 3 and all(0 <= s < 2**31 for s in seeds)
    assert len({nodes.data_of(n, RUN) for n in listed}) == len(listed)
    assert nodes.data_of(listed[1], RUN) == "shard:1/3/0:idx:data/mnist"
    assert nodes.list_nodes(Flags(node="4/6/2")) == [nodes.Node(4, 6, 2)]


TIMES = ("parallel_s", "sequential_s")
STUDY = (*SMOKE, "--nodes=1,2", "--repeats=1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    assert helpers.run(command, STUDY, folder) == 0
    return folder


@pytest.mark.long
def test_a_study_ends_in_a_page_and_its_nodes_are_ordinary_runs(whole, capsys):
    results, states = helpers.outcome(whole, *TIMES)
    assert set(results["counts"]) == {"1", "2"} and len(states) == 3 and results["n_test"] == 240
    two = results["counts"]["2"]
    assert two["n_shard"] == 120 and len(two["nodes"][0]) == 2
    assert two["gain"]["note"].startswith("one pair")
    helpers.assert_files(whole, "ensemble.png")
    page = (whole / "report.html").read_text()
    assert "Verdict" in page and page.count("data:image/png") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")
    node = whole / "repeat_0" / "2" / "node_2"
    assert process.guarded(sample.run, [f"--workdir={node}", "--n=9"]) == 0
    assert (node / "sampled.png").exists()
    train, test = run_folder.load_data(*run_folder.load_config(node))
    assert len(train.images) == 120 and len(test.images) == 240


@pytest.mark.slow
def test_a_node_can_be_scored(whole, capsys):
    words = ["--n_images=60", "--repeats=2", "--scores=kernel,coverage"]
    assert helpers.run(evaluate, words, whole / "repeat_0" / "2" / "node_2") == 0


@pytest.mark.slow
def test_nodes_in_one_program_are_the_nodes_alone(whole, tmp_path):
    """Their final states are the same to rounding, so nothing that they are scored by differs."""
    folder = tmp_path / "study"
    assert helpers.run(command, [*STUDY, "--nodes=2", "--members_by=vmapped"], folder) == 0
    together, alone = helpers.outcome(folder, *TIMES)[0], helpers.outcome(whole, *TIMES)[0]
    assert together["counts"]["2"]["labeller"] == alone["counts"]["2"]["labeller"]
    assert together["counts"]["2"]["voted"] == pytest.approx(alone["counts"]["2"]["voted"], abs=0.1)
    records = [json.loads((folder / f"repeat_0/2/node_{i}/node.json").read_text()) for i in (1, 2)]
    assert [record["together"] for record in records] == [2, 2]
    two = json.loads((folder / "results.json").read_text())["counts"]["2"]
    mean = np.mean([record["train_s"] for record in records])
    assert two["sequential_s"][0] == pytest.approx(mean, rel=1e-6)


@pytest.mark.slow
def test_a_stopped_study_ends_as_if_it_never_stopped(whole, tmp_path, capsys):
    """Stopped by a signal within a GAN, then killed between a node's classifiers.

    Finished nodes are not made again.
    """
    words, folder = [*STUDY, "--save_every=3"], tmp_path / "study"
    fit = classifier_training.fit

    def killed(source, settings):
        if source.name.startswith("shard:2/2"):
            raise KeyboardInterrupt
        return fit(source, settings)

    helpers.stop_by_signal(command, words, folder, lambda loop, until: "node 2 of 2" in loop.name)
    assert "stopped by SIGTERM" in capsys.readouterr().err
    helpers.interrupt(command, words, folder, classifier_training, "fit", killed)
    out = capsys.readouterr().out
    assert "resumed at step 1 of 8" in out and "node 1 of 2" not in out
    assert helpers.run(command, words, folder) == 0
    assert helpers.outcome(folder, *TIMES) == helpers.outcome(whole, *TIMES)


@pytest.mark.long
def test_more_repeats_are_added_and_other_settings_refused(whole, capsys):
    """What one start made is in the tables of the next, whichever nodes that asks for."""
    before, _ = helpers.outcome(whole, *TIMES)
    assert helpers.run(command, [*STUDY, "--repeats=2", "--nodes=1"], whole) == 0
    out, _ = capsys.readouterr()
    assert "repeat 1, node 1 of 1: accuracy" in out and "repeat 0, node 1 of 1: started" not in out
    after, _ = helpers.outcome(whole, *TIMES)
    assert after["counts"]["2"] == before["counts"]["2"]
    assert after["counts"]["1"]["repeats"] == [0, 1]
    changes = {
        "--confidence=0.5": "--confidence=0.2, now 0.5",
        "--lr=1e-3": "--lr=0.0002, now 0.001",
    }
    helpers.assert_other_settings_refused(command, STUDY, whole, changes, capsys)


@pytest.mark.slow
def test_a_node_that_fails_is_named_and_not_repeated(tmp_path, capsys):
    one = [*SMOKE, "--nodes=1", "--repeats=1"]
    for _ in range(2):
        assert helpers.run(command, [*one, "--confidence=1"], tmp_path / "study") == 0
        left_out = "left out: repeat_0/1/node_1: its labeller knows none of 192 images"
        assert left_out in capsys.readouterr().out
    assert helpers.run(command, [*one, "--lr=1e12"], tmp_path / "diverging") == 0
    assert "left out: repeat_0/1/node_1: repeat 0, node 1 of 1: Player" in capsys.readouterr().out


@pytest.mark.slow
def test_processes_that_are_killed_make_the_same_study(tmp_path, child_env):
    """Two at a time, all killed as soon as one has saved; then one node by hand, then the rest."""
    words = [sys.executable, "-m", "experiments.ensemble", *STUDY, "--epochs=40", "--save_every=50"]
    subprocess.run(
        [*words, "--jobs=2", f"--workdir={tmp_path}/whole"],
        cwd=paths.ROOT,
        env=child_env,
        check=True,
    )
    folder = tmp_path / "killed"
    with subprocess.Popen(
        [*words, "--jobs=2", f"--workdir={folder}"], cwd=paths.ROOT, env=child_env
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
        [*words, "--node=0/2/2", f"--workdir={folder}"], cwd=paths.ROOT, env=child_env, check=True
    )
    assert (folder / "repeat_0/2/node_2/node.json").exists() and not (
        folder / "results.json"
    ).exists()
    subprocess.run(
        [*words, "--jobs=2", f"--workdir={folder}"], cwd=paths.ROOT, env=child_env, check=True
    )
    assert helpers.outcome(folder, *TIMES) == helpers.outcome(tmp_path / "whole", *TIMES)
    assert any("resumed at step" in path.read_text() for path in (folder / "logs").glob("*.out"))
