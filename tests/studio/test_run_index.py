"""Runs are found and classified by their files; damage harms no other run; long logs are fast."""

import json
import os
import subprocess
import sys
import time

import pytest

from gan_jax.rundir import run_lock
from gan_jax.studio import files, launch_files
from gan_jax.studio.run_index import NotFound, RunIndex
from gan_jax.studio.run_state import RunState
from tests.studio.run_files import CONFIG, record


def test_a_run_is_summed_up_by_its_newest_record(tmp_path, make_run):
    make_run(tmp_path / "a", eval_json={"rows": {"model": {"frechet": 2.5, "frechet_se": 0.1}}})
    found = RunIndex(tmp_path).summary("a")
    assert (found["step"], found["steps"], found["speed"], found["grid"], found["seed"]) == (
        50,
        1000,
        10.0,
        10,
        3,
    )
    assert found["scores"] == {"frechet": 2.5} and found["state"] == RunState.STOPPED


def test_an_array_from_python_has_no_path(tmp_path, make_run, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    spec = f"npz:{tmp_path}/cache/arrays/0123/data.npz"
    make_run(tmp_path / "a", config_json=CONFIG | {"dataset": CONFIG["dataset"] | {"name": spec}})
    assert RunIndex(tmp_path).summary("a")["data"] == "an array"


def test_a_config_of_an_earlier_version_is_read(tmp_path, make_run):
    """Its key "source" is now "dataset"."""
    config = {"source" if key == "dataset" else key: value for key, value in CONFIG.items()}
    make_run(tmp_path / "a", config_json=config)
    summary = RunIndex(tmp_path).summary("a")
    assert summary["state"] == RunState.STOPPED and summary["data"] == "galaxies:256"
    assert files.read_config(tmp_path / "a") == CONFIG


def test_names_are_paths_below_the_root_and_links_are_not_followed(tmp_path, make_run):
    outside = make_run(tmp_path / "outside")
    root = tmp_path / "root"
    make_run(root / "study" / "one")
    make_run(root / "two")
    (root / "link").symlink_to(outside, target_is_directory=True)
    index = RunIndex(root)
    assert list(index.names()) == ["study/one", "two"]
    for name in (
        "link",
        "../outside",
        "study/../two",
        "/",
        "",
        ".",
        "two/",
        "two/samples",
        "two\0",
    ):
        with pytest.raises(NotFound):
            index.folder(name)


# Ended after the files of a test are written, however late that is.
LAUNCH = {"state": "ended", "experiment": "gan", "flags": [], "ended": time.time() + 1e6}


def ended(code, said):
    """Return the files of a run that the studio started, that said this and ended with a code."""
    return {"studio_json": LAUNCH | {"code": code}, "console_log": f"{said}\n"}


CASES = {
    "finished": ({"DONE": ""}, "finished", ""),
    "stopped elsewhere": ({}, "stopped", ""),
    "queued": ({"studio_json": {"state": "queued"}}, "queued", ""),
    "withdrawn": ({"studio_json": {"state": "withdrawn"}}, "stopped", "queue"),
    "refused": (ended(2, "$ x\n--lr=0 is too small."), "refused", "--lr=0"),
    "diverged": (ended(3, "Player 'gen' had ..."), "diverged", "gen"),
    "collapsed": (ended(3, "collapsed at step 9: x"), "collapsed", "x"),
    "stopped": (ended(4, "saved."), "stopped", "saved"),
    "stopped by a signal": (ended(4, "stopped by SIGTERM; saved"), "stopped", "by SIGTERM"),
    "killed": (ended(-9, "step 9"), "crashed", "signal 9"),
    "failed": (ended(1, "KeyError: 'a'"), "crashed", "KeyError"),
    "parent killed": (
        {"studio_json": {"state": "launched", "pid": 1}},
        "crashed",
        "without a word",
    ),
    "gone on elsewhere": ({"studio_json": LAUNCH | {"code": 1, "ended": 1.0}}, "stopped", ""),
    "finished elsewhere": ({"studio_json": LAUNCH | {"code": 1}, "DONE": ""}, "finished", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_how_a_run_stands(tmp_path, make_run, case):
    made, stands, why = CASES[case]
    make_run(tmp_path / "a", **made)
    found = RunIndex(tmp_path).summary("a")
    assert found["state"] == stands and why in found["reason"]
    assert not found["reason"].startswith(stands)  # pages show one after the other


def test_a_claimed_folder_runs_whoever_claimed_it(tmp_path, make_run):
    folder = make_run(tmp_path / "a", DONE="")
    hold = (
        "import pathlib, time; from gan_jax.rundir import run_lock\n"
        f"with run_lock.lock_run(pathlib.Path({str(folder)!r})): print(1, flush=1); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        found = RunIndex(tmp_path).summary("a")
        assert found["state"] == RunState.RUNNING
        assert found["left"] == pytest.approx(95, abs=3)  # (1000 - 50) / 10, less what has passed
        assert run_lock.lock_owner_pid(folder) == process.pid
    finally:
        process.kill()
        process.wait()
    assert run_lock.lock_owner_pid(folder) is None and not run_lock.is_locked(folder)


def test_looking_at_a_lock_does_not_keep_a_run_out(tmp_path):
    """A claim that meets a look, which holds the lock for an instant, waits for it."""
    folder = tmp_path / "a"
    folder.mkdir()
    look = (
        f"import fcntl, time\nwith open({str(folder / '.lock')!r}, 'w') as f: "
        "fcntl.flock(f, fcntl.LOCK_SH); print(1, flush=1); time.sleep(.1)"
    )
    process = subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE)
    process.stdout.readline()
    with run_lock.lock_run(folder):
        pass
    process.wait()


def test_the_time_left_counts_what_comes_between_steps(tmp_path, make_run):
    """950 steps at 10 per second, and 0.4 s per step so far for evaluations and the like."""
    wall = {"time": 90.0, "steps_per_s": 10.0, "compile_s": 60.0, "train_s": 5.0}
    between = {"evaluate_s": 14.0, "sample_s": 3.0, "watch_s": 2.0, "checkpoint_s": 1.0}
    line = json.dumps({"step": 50, "disc/loss": 1.0, "wall": wall | between})
    folder = make_run(tmp_path / "a", metrics_jsonl=line + "\n")
    with run_lock.lock_run(folder):
        left = RunIndex(tmp_path).summary("a")["left"]
        assert left == pytest.approx(950 * (0.1 + 0.4), abs=3)
        passed = time.time() - 60
        os.utime(folder / "metrics.jsonl", (passed, passed))
        later = RunIndex(tmp_path).summary("a")["left"]
        assert later == pytest.approx(left - 60, abs=3)


@pytest.mark.parametrize(
    "console, phase",
    [
        ("", "starting"),
        ("$ python -m gan_jax gan\n", "starting"),
        ("$ x\nstarted at step 0 of 9\ncompiling ...\n", "compiling ..."),
        ("$ x\ncompiling ...\nstep 10/1000  disc/loss 1.000\n", ""),
    ],
)
def test_a_run_without_a_new_value_says_what_it_does(tmp_path, make_run, console, phase):
    launch = {"state": "launched", "began": time.time()}
    folder = make_run(tmp_path / "a", records=0, studio_json=launch, console_log=console)
    with run_lock.lock_run(folder):
        found = RunIndex(tmp_path).summary("a")
    assert found["phase"].startswith(phase) and bool(found["phase"]) == bool(phase)
    assert found["left"] is None


def test_a_run_that_ends_does_not_start(tmp_path, make_run):
    """While its process ends, the supervisor lives and the lock of training is free again."""
    launch = {"state": "launched", "began": time.time() - 5}
    folder = make_run(tmp_path / "a", studio_json=launch)
    index = RunIndex(tmp_path)
    with launch_files.TRAINING.locked(folder):
        assert index.summary("a")["state"] == RunState.STARTING
        with run_lock.lock_run(folder):
            assert index.summary("a")["state"] == RunState.RUNNING
            index.stop_asked["a"] = time.time()
            assert index.summary("a")["state"] == RunState.STOPPING
            index.stop_asked["a"] = time.time() - 60  # before this launch
            assert index.summary("a")["state"] == RunState.RUNNING
        assert index.summary("a")["state"] == RunState.ENDING
    assert index.summary("a")["state"] == RunState.CRASHED and index.stop_asked == {}


def test_scores_stand_beside_floor_and_controls(tmp_path, make_run):
    rows = {
        "real": {"frechet": 0.5, "coverage": 1.0, "n_fake": 9},
        "model": {"frechet": 2.5, "frechet_se": 0.1},
        "untrained": {"frechet": 95.0, "frechet_std": 1.0},
    }
    make_run(tmp_path / "a", eval_json={"rows": rows, "step": 40})
    found = RunIndex(tmp_path).summary("a")
    assert found["references"] == {"real": {"frechet": 0.5}, "untrained": {"frechet": 95.0}}
    assert found["scored_step"] == 40 and found["step"] == 50


DEEP = "[" * 100_000
BROKEN = {
    "no config": {"config_json": None},
    "torn config": {"config_json": '{"experiment": "gan", "run": {'},
    "config of another version": {"config_json": {"name": "gan"}},
    "config of other types": {
        "config_json": {
            "experiment": 1,
            "method": [],
            "run": {"steps": "9", "seed": None},
            "dataset": {},
        }
    },
    "config is a list": {"config_json": "[]"},
    "config is deep": {"config_json": DEEP},
    "config is bytes": {"config_json": "\x00\x01"},
    "torn eval": {"eval_json": "{"},
    "infinite eval": {"eval_json": '{"rows": {"model": {"frechet": 1e999}}}'},
    "deep studio": {"studio_json": DEEP},
}


@pytest.mark.parametrize("case", BROKEN)
def test_damage_shows_as_such_and_harms_no_other(tmp_path, make_run, case):
    make_run(tmp_path / "bad", **BROKEN[case])
    make_run(tmp_path / "good")
    bad, good = RunIndex(tmp_path).summaries()
    assert bad["state"] == RunState.UNREADABLE and ".json" in bad["reason"]
    assert good["state"] == RunState.STOPPED
    json.dumps([bad, good], allow_nan=False)


@pytest.mark.parametrize(
    "code, state", [(4, RunState.STOPPED), (-9, RunState.STOPPED), (3, RunState.CRASHED)]
)
def test_a_scoring_that_was_stopped_did_not_crash(tmp_path, make_run, code, state):
    folder = make_run(tmp_path / "a")
    launch_files.SCORING.write(folder, {"state": "ended", "code": code})
    (folder / launch_files.SCORING.console).write_text("stopped by SIGTERM.\n")
    assert RunIndex(tmp_path).summary("a")["evaluation"]["state"] == state


def test_an_evaluation_of_a_thousand_classes_is_read(tmp_path, make_run):
    confusion = [[0.001] * 1000] * 1000
    scores = {"rows": {"model": {"frechet": 1.5}}, "classes": [], "confusion": confusion}
    make_run(tmp_path / "a", eval_json=json.dumps(scores, indent=1))
    assert (tmp_path / "a" / "eval.json").stat().st_size > 2**22
    assert RunIndex(tmp_path).summary("a")["state"] == RunState.STOPPED
    (tmp_path / "a" / "eval.json").write_text(" " * (2**24 + 1))
    assert "larger than 16 MiB" in RunIndex(tmp_path).summary("a")["reason"]


ODD = {
    "torn end": record(10) + '{"step": 20, "disc/l',
    "not JSON": "x\n" * 10,
    "NaN": record(10) + '{"step": 20, "disc/loss": NaN}\n',
    "infinite": record(10) + '{"step": 20, "disc/loss": 1e999}\n',
    "huge whole number": record(10) + '{"step": 20, "disc/loss": ' + "9" * 5000 + "}\n",
    "no step": record(10) + '{"disc/loss": 1}\n',
    "deep": record(10) + DEEP + "\n",
    "wall is text": record(10) + '{"step": "x", "wall": "y"}\n',
    "a line of a megabyte": record(10) + '{"step": 20, "a": "' + "x" * 2**20 + '"}\n',
}


@pytest.mark.parametrize("case", ODD)
def test_the_last_readable_record_counts(tmp_path, make_run, case):
    make_run(tmp_path / "a", metrics_jsonl=ODD[case])
    found = RunIndex(tmp_path).summary("a")
    assert found["step"] in (
        (0,) if case == "not JSON" else (10, 0) if "megabyte" in case else (10,)
    )
    assert found["state"] == RunState.STOPPED
    json.dumps(found, allow_nan=False)


def test_pipes_and_links_are_not_opened(tmp_path, make_run):
    folder = make_run(tmp_path / "a", config_json=None)
    os.mkfifo(folder / "config.json")  # opening it as usual would wait without end
    assert RunIndex(tmp_path).summary("a")["state"] == RunState.UNREADABLE
    (tmp_path / "secret").write_text("{}")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        files.open_regular(folder / "link")


def test_two_hundred_long_runs_are_listed_at_once(tmp_path, make_run):
    """200 folders of 100,000 lines take less than a second; unchanged ones are not read again."""
    first = make_run(tmp_path / "000", records=0)
    lines = "".join(record(10 * i) for i in range(1, 1001))
    with open(first / "metrics.jsonl", "w") as file:
        for _ in range(100):
            file.write(lines)
    for i in range(1, 200):
        make_run(tmp_path / f"{i:03d}", metrics_jsonl=None)
        os.link(first / "metrics.jsonl", tmp_path / f"{i:03d}" / "metrics.jsonl")
    index = RunIndex(tmp_path)
    start = time.process_time()
    found = index.summaries()
    seconds = time.process_time() - start
    assert len(found) == 200 and all(run["step"] == 10_000 for run in found)
    assert seconds < 1
    start = time.process_time()
    index.summaries()
    assert time.process_time() - start < 0.2
