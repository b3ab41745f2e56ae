"""The queue: starting, stopping and resuming runs, and kills of a studio or a supervisor.

A script of a few lines replaces the training command: it locks the folder, and ends on SIGTERM as
training does. tests/studio/test_journey.py does the same with training.
"""

import contextlib
import json
import os
import signal
import sys
import time

import pytest

from gan_jax.errors import InputError
from gan_jax.studio import forms, launcher
from gan_jax.studio.run_index import RunIndex
from gan_jax.studio.run_state import RunState
from tests.studio.run_files import CONFIG
from tests.waiting import until

TRAIN = """
import json, pathlib, signal, sys, time
from gan_jax.rundir import run_lock
folder = pathlib.Path([w for w in sys.argv if w.startswith("--workdir=")][0].partition("=")[2])
stopped = []
with run_lock.lock_run(folder):
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    (folder / "config.json").write_text(CONFIG)
    (folder / "training").write_text("x")
    while not stopped and not (folder / "end").exists():
        time.sleep(0.02)
    if "--fail" in sys.argv:
        print("ValueError: no good", file=sys.stderr)
        sys.exit(1)
    if stopped:
        print("stopped; saved.")
        sys.exit(4)
    (folder / "DONE").write_text("")
"""
EXPERIMENTS = {"gan": forms.describe_command("GAN", {}, {})}
EXPERIMENTS["gan"]["groups"] = [{"title": "", "fields": [{"name": "fail"}]}]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """(root, make): make(jobs) is a Launcher of it; what was started is ended after the test."""
    script = tmp_path / "train.py"
    script.write_text(TRAIN.replace("CONFIG", repr(json.dumps(CONFIG))))
    words = lambda experiment, flags, folder: [
        sys.executable,
        str(script),
        *flags,
        f"--workdir={folder}",
    ]
    monkeypatch.setattr(launcher, "command_words", words)
    root, made = tmp_path / "root", []

    def make(jobs=1):
        made.append(launcher.Launcher(RunIndex(root), jobs))
        return made[-1]

    yield root, make
    for found in made:
        found.runs.refresh()
        for run in found.runs.summaries():
            if run["state"] in (RunState.STARTING, RunState.RUNNING):
                with contextlib.suppress(InputError):  # it has ended meanwhile
                    found.stop(run["name"])
        found.close()


def stands(studio, name):
    studio.runs.refresh()
    return studio.runs.summary(name)["state"]


def start_queued(studio, name):
    """Start what is queued, and wait until this run trains."""
    studio.start_queued(EXPERIMENTS)
    until(lambda: stands(studio, name) == "running")


def test_runs_beyond_the_budget_wait_in_order(place):
    root, make = place
    studio = make(2)
    for name in "cab":
        studio.enqueue(name, "gan", [])
        time.sleep(0.01)
    studio.start_queued(EXPERIMENTS)
    until(lambda: [stands(studio, name) for name in "cab"] == ["running", "running", "queued"])
    studio.start_queued(EXPERIMENTS)
    assert stands(studio, "b") == "queued"
    (root / "c" / "end").touch()
    until(lambda: stands(studio, "c") == "finished")
    start_queued(studio, "b")


def test_stop_resume_and_withdraw(place):
    _, make = place
    studio = make()
    studio.enqueue("a", "gan", [])
    studio.enqueue("b", "gan", [])
    start_queued(studio, "a")
    assert studio.stop("b") == "taken out of the queue" and stands(studio, "b") == "stopped"
    studio.stop("a")
    until(lambda: stands(studio, "a") == "stopped")
    assert studio.runs.summary("a")["reason"] == "stopped; saved."
    with pytest.raises(InputError, match="does not run"):
        studio.stop("a")
    for name in "ab":
        studio.resume(name, EXPERIMENTS)
    with pytest.raises(InputError, match="is queued"):
        studio.resume("a", EXPERIMENTS)
    start_queued(studio, "a")
    assert stands(studio, "b") == "queued"


def test_a_run_is_stopped_before_it_has_begun(place):
    """A run that has just been started has no lock yet; its supervisor names its process."""
    root, make = place
    studio = make()
    studio.enqueue("a", "gan", [])
    studio.start_queued(EXPERIMENTS)
    assert not (root / "a" / "training").exists() and studio.stop("a") == "asked to save and end"
    until(lambda: stands(studio, "a") == "stopped")


def test_a_run_that_ends_as_it_is_stopped_does_not_run(place, monkeypatch):
    root, make = place
    studio = make()
    studio.enqueue("a", "gan", [])
    start_queued(studio, "a")
    before, read = studio.runs.summary("a"), studio.runs.summary
    (root / "a" / "end").touch()
    until(lambda: stands(studio, "a") == "finished")
    summaries = iter([before, before])  # what the studio last saw, for both checks of `stop`
    monkeypatch.setattr(studio.runs, "summary", lambda name: next(summaries, None) or read(name))
    with pytest.raises(InputError, match="a does not run"):
        studio.stop("a")


def test_what_fails_or_is_killed_shows_as_crashed_and_can_go_on(place):
    root, make = place
    studio = make()
    studio.enqueue("a", "gan", ["--fail"])
    start_queued(studio, "a")
    (root / "a" / "end").touch()
    until(lambda: stands(studio, "a") == "crashed")
    assert studio.runs.summary("a")["reason"] == "ValueError: no good"
    studio.enqueue("b", "gan", [])
    start_queued(studio, "b")
    os.kill(launcher.supervised_pid(root / "b", launcher.TRAINING), signal.SIGKILL)
    until(lambda: stands(studio, "b") == "crashed")
    assert "signal 9" in studio.runs.summary("b")["reason"]
    studio.resume("b", EXPERIMENTS)
    start_queued(studio, "b")


SCORE = """
import pathlib, sys, time
folder = pathlib.Path([w for w in sys.argv if w.startswith("--workdir=")][0].partition("=")[2])
print("scoring 9 images ...", flush=True)
while not (folder / "end").exists():
    time.sleep(0.02)
if "--n_images=1" in sys.argv:
    sys.exit("--n_images=1 is too small.")
(folder / "eval.json").write_text("{}")
"""


def test_an_evaluation_waits_for_a_place_and_is_shown(place, tmp_path, monkeypatch, make_run):
    root, make = place
    studio = make()
    train_words = launcher.command_words
    (tmp_path / "score.py").write_text(SCORE)
    score = [sys.executable, str(tmp_path / "score.py")]
    words = lambda name, flags, folder: (
        [*score, *flags, f"--workdir={folder}"]
        if name == "evaluate"
        else train_words(name, flags, folder)
    )
    monkeypatch.setattr(launcher, "command_words", words)
    commands = EXPERIMENTS | {"evaluate": {"groups": [{"fields": [{"name": "n_images"}]}]}}
    state = lambda name: (studio.runs.summary(name)["evaluation"] or {}).get("state")
    make_run(root / "a")
    make_run(root / "b", records=0)
    studio.enqueue("busy", "gan", [])
    start_queued(studio, "busy")
    studio.enqueue_scoring("a", [])
    with pytest.raises(InputError, match="scored already"):
        studio.enqueue_scoring("a", [])
    with pytest.raises(InputError, match="nothing to score"):
        studio.enqueue_scoring("b", [])
    studio.start_queued(commands)
    assert state("a") == "queued"
    (root / "busy" / "end").touch()
    until(lambda: stands(studio, "busy") == "finished")
    studio.start_queued(commands)
    until(lambda: state("a") == "running")
    until(lambda: "scoring 9" in studio.runs.summary("a")["evaluation"]["reason"])
    assert studio.runs.summary("a")["state"] == "stopped"  # the run itself does not train
    (root / "a" / "end").touch()
    until(lambda: state("a") == "finished")
    assert (root / "a" / "eval.json").exists()
    studio.enqueue_scoring("a", [])
    assert studio.stop_scoring("a") == "taken out of the queue" and state("a") is None
    (root / "a" / "end").unlink()
    studio.enqueue_scoring("a", [])
    studio.start_queued(commands)
    until(lambda: state("a") == "running")
    studio.stop_scoring("a")
    until(lambda: state("a") == "stopped")
    (root / "a" / "end").touch()
    studio.enqueue_scoring("a", ["--n_images=1"])
    studio.start_queued(commands)
    until(lambda: state("a") == "crashed")
    assert "too small" in studio.runs.summary("a")["evaluation"]["reason"]


def test_a_run_outlives_its_parent_and_is_found_and_stopped_all_the_same(place):
    root, make = place
    studio = make()
    studio.enqueue("a", "gan", [])
    start_queued(studio, "a")
    pid = json.loads((root / "a" / "studio.json").read_text())["pid"]
    parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    time.sleep(0.1)
    other = make()
    assert stands(other, "a") == "running"
    other.stop("a")
    until(lambda: stands(other, "a") != "running")


def test_one_studio_of_a_root_starts_what_is_queued_and_another_takes_over(place):
    _, make = place
    first, second = make(), make()
    first.start_queued(EXPERIMENTS)
    second.enqueue("a", "gan", [])
    second.start_queued(EXPERIMENTS)
    assert stands(second, "a") == "queued"
    first.close()
    start_queued(second, "a")


def test_two_studios_that_start_at_once_start_a_run_once(place):
    root, make = place
    first, second = make(), make()
    first.enqueue("a", "gan", [])
    first._start(root / "a", EXPERIMENTS)
    with pytest.raises(InputError, match="try again"):
        second._start(root / "a", EXPERIMENTS)
    until(lambda: stands(first, "a") == "running")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "/a",
        "a/../b",
        "a/",
        "-a",
        ".a",
        "a b",
        "a\0",
        "a\n",
        "b/b/b/b",
        "x" * 300,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(place, name):
    root, make = place
    with pytest.raises(InputError):
        make().enqueue(name, "gan", [])
    assert not root.exists() or not list(root.iterdir())


def test_a_place_that_is_taken_is_refused(place, tmp_path, make_run):
    root, make = place
    studio = make()
    make_run(root / "a")
    (root / "link").symlink_to(tmp_path)
    (root / "file").touch()
    for name in ("a", "a/b", "link/b", "link", "file", "file/b"):
        with pytest.raises(InputError):
            studio.enqueue(name, "gan", [])


def test_runs_of_the_terminal_go_on_by_their_own_flags(place, make_run):
    root, make = place
    make_run(root / "a", flags_txt="--steps=1000\n")
    make_run(root / "b")
    make_run(root / "c", config_json=CONFIG | {"experiment": "toys"})
    studio = make()
    assert studio.resume_command(root / "a", EXPERIMENTS) == (
        "gan",
        [f"--flagfile={root / 'a' / 'flags.txt'}"],
    )
    for name in "bc":
        with pytest.raises(InputError):
            studio.resume(name, EXPERIMENTS)


@pytest.mark.parametrize(
    "flags", [["--workdir=/x"], ["rm"], [7], ["--fail\0"], ["--", "x"], ["--no_such=1"]]
)
def test_a_tampered_folder_starts_nothing(place, make_run, flags):
    root, make = place
    make_run(
        root / "a",
        studio_json={"state": "queued", "experiment": "gan", "flags": flags, "asked": "yesterday"},
    )
    studio = make()
    studio.start_queued(EXPERIMENTS)
    assert stands(studio, "a") == "refused" and not (root / "a" / "training").exists()
