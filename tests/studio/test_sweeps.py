"""Sweeps are found with their runs, whose states are those that the sweep tells."""

import json

import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import launcher
from gan_jax.studio.run_index import RunIndex


def outcome(code, reason="", scored=None):
    """An outcome as studies.ablate writes it into sweep.json."""
    return {"code": code, "reason": reason, "words": ["--lr=1"], "scored": scored}


OUTCOMES = {
    "good_0": outcome(0, scored=["--n_images=2"]),
    "wild_0": outcome(3, "Player 'gen' had a non-finite loss"),
    "flat_0": outcome(3, "collapsed at step 9"),
    "crashed_0": outcome(1, "KeyError: 'a'"),
    "refused_0": outcome(2, "--loss=x is not known"),
    "next_0": outcome(None),
}


@pytest.fixture
def sweep(tmp_path, make_run):
    """The folder of a sweep that has ended for all runs but one."""
    folder = tmp_path / "study" / "sweep"
    for name in ("good_0", "wild_0", "flat_0", "crashed_0", "next_0"):
        make_run(folder / name, **({"DONE": ""} if name == "good_0" else {}))
    (folder / "sweep.json").write_text(json.dumps(OUTCOMES))
    (folder / "logs").mkdir()
    return folder


def test_runs_of_a_sweep_have_the_states_that_it_tells(sweep, tmp_path):
    runs = RunIndex(tmp_path)
    assert list(runs.sweeps()) == ["study/sweep"]
    states = {run["name"].split("/")[-1]: run["state"] for run in runs.summaries()}
    assert states == {
        "good_0": "finished",
        "wild_0": "diverged",
        "flat_0": "collapsed",
        "crashed_0": "crashed",
        "next_0": "stopped",
    }
    assert runs.summary("study/sweep/wild_0")["reason"] == OUTCOMES["wild_0"]["reason"]
    assert {run["sweep"] for run in runs.summaries()} == {"study/sweep"}
    (summary,) = runs.sweep_summaries()
    counts = {"runs": 6, "done": 1, "refused": 1, "failed": 3, "scored": 1}
    assert summary["counts"] == counts and summary["state"] == "stopped"


def test_while_a_sweep_works_its_other_runs_wait(sweep, tmp_path):
    runs = RunIndex(tmp_path)
    queue = launcher.Launcher(runs, 1)
    with run_lock.lock_run(sweep):
        assert runs.summary("study/sweep")["state"] == "running"
        assert runs.summary("study/sweep/next_0")["state"] == "queued"
        with pytest.raises(InputError, match="stop that"):
            queue.stop("study/sweep/next_0")
        with pytest.raises(InputError, match="makes it in turn"):
            queue.resume("study/sweep/wild_0", {})
        assert queue.start_queued({}) == 0
    queue.close()


def test_a_sweep_that_has_ended_is_finished(sweep, tmp_path):
    (sweep / "sweep.json").write_text(json.dumps(OUTCOMES | {"next_0": outcome(0)}))
    (sweep / "summary.md").write_text("| a |")
    summary = RunIndex(tmp_path).summary("study/sweep")
    assert summary["state"] == "finished" and summary["documents"] == ["text"]


def test_a_queued_sweep_is_one_before_its_first_file(tmp_path):
    runs = RunIndex(tmp_path)
    queue = launcher.Launcher(runs, 1)
    queue.enqueue("new", "ablate", ["--experiment=dcgan"])
    (summary,) = runs.sweep_summaries()
    assert (summary["state"], summary["experiment"]) == ("queued", "dcgan")
    assert runs.summaries() == []
    with pytest.raises(InputError, match="inside another run"):
        queue.enqueue("new/a", "gan", [])


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": {"code": "x"}}'])
def test_a_damaged_sweep_hides_none_of_its_runs(tmp_path, make_run, text):
    make_run(tmp_path / "sweep" / "a_0", DONE="")
    (tmp_path / "sweep" / "sweep.json").write_text(text)
    runs = RunIndex(tmp_path)
    assert [run["state"] for run in runs.summaries()] == ["finished"]
    assert runs.sweep_summaries()[0]["state"] in ("unreadable", "stopped")


def test_the_page_of_a_sweep_names_the_runs_that_have_no_folder(client, root, make_run):
    make_run(root / "grid" / "good_0", DONE="")
    (root / "grid" / "sweep.json").write_text(json.dumps(OUTCOMES))
    (root / "grid" / "summary.csv").write_text("run,frechet\n")
    (root / "grid" / "compare.html").write_text("<script>1</script>")
    client.app.app.state.studio.runs.refresh()
    try:
        answer = client.get("/api/sweep/grid").json()
        absent = {one["name"]: one["code"] for one in answer["absent"]}
        assert absent["refused_0"] == 2 and absent["next_0"] is None and "good_0" not in absent
        assert [run["name"] for run in answer["runs"]] == ["grid/good_0"]
        assert client.get("/document/table/grid").text == "run,frechet\n"
        page = client.get("/document/comparison/grid")
        assert "sandbox" in page.headers["content-security-policy"]
        assert client.get("/document/text/grid").status_code == 404
        assert client.get("/document/table/run").status_code == 404
        assert client.get("/run/grid").url.path == "/sweep/grid"
        assert client.get("/sweep/run").url.path == "/run/run"
    finally:
        import shutil

        shutil.rmtree(root / "grid")
        client.app.app.state.studio.runs.refresh()
