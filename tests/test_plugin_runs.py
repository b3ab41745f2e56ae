"""A method and data of one's own, outside of the checkout, in processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from gan_jax.report import run_files, score_tables, score_text
from gan_jax.report.notebook_html import run_html
from tests import paths
from tests.environment import of_commands
from tests.plugin_listings import DATA, FEATURES, METHOD, METRIC, write_listings
from tests.waiting import until

SMALL = ["--size=16", "--width=4", "--z_dim=8", "--batch=8", "--devices=1", "--nowatch"]
FLAGS = [f"--data={DATA}:300", *SMALL, "--log_every=100", "--save_every=100", "--sample_every=0"]
TRAIN = ["train", METHOD, *FLAGS, "--margin=0.1", "--steps=1500"]


def command(*words, own, **options):
    """Run gan-jax in a folder outside of the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "gan_jax", *words],
        cwd=own.parent,
        env=environment(own),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def environment(own):
    return {**of_commands(), "PYTHONPATH": f"{own}{os.pathsep}{paths.ROOT}"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of the listings, a finished run of them)."""
    own = write_listings(tmp_path_factory.mktemp("outside") / "own")
    run = own.parent / "run"
    words = [*TRAIN, f"--workdir={run}"]
    done = command(*words, own=own)
    assert done.returncode == 0, done.stderr
    return own, run


def one_line(done, code=2):
    assert done.returncode == code and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.long
def test_a_run_records_its_code(trained):
    _, run = trained
    raw = json.loads((run / "config.json").read_text())
    assert raw["experiment"] == raw["method"] == METHOD and raw["hp"]["margin"] == 0.1
    assert set(raw["plugins"]) == {METHOD, DATA}
    assert all(set(code) == {"sha256"} for code in raw["plugins"].values())


@pytest.mark.long
def test_help_shows_the_settings(trained):
    own, _ = trained
    done = command("train", f"--method={METHOD}", "--help", own=own)
    assert done.returncode == 0 and done.stdout.startswith("Relativistic GAN")
    assert "--margin=0.0" in done.stdout and "Flagfiles that come" not in done.stdout


@pytest.mark.long
def test_another_process_scores_and_samples_what_it_trusts(trained):
    own, run = trained
    scores = [f"--scores=frechet,{METRIC}", f"--features={FEATURES}"]
    words = ["evaluate", str(run), "--n_images=100", "--repeats=1", "--neighbours=0", *scores]
    error = one_line(command(*words, own=own))
    assert METHOD in error and DATA in error and "--trust" in error and METRIC not in error
    done = command(*words, "--trust", own=own)
    assert done.returncode == 0 and "edge gap (low)" in done.stdout, done.stderr
    # This process cannot import them; records and pages need not.
    assert "my_metrics" not in sys.modules
    record = run_files.read_evaluation(run)
    assert score_text.all_scores(record)["edge_gap"].title == "edge gap"
    assert "edge gap" in score_tables.format_evaluation(record)
    assert "edge gap" in (run / "report.html").read_text() and "edge gap" in run_html(run)
    assert METHOD in one_line(command("sample", str(run), own=own))
    done = command("sample", str(run), "--n=4", "--trust", own=own)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(trained):
    own, whole = trained
    run = own.parent / "killed"
    words = [*TRAIN, f"--workdir={run}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_jax", *words],
        cwd=own.parent,
        env=environment(own),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: any(path.name.isdigit() for path in (run / "checkpoints").glob("*")), 120)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (run / "DONE").exists()
    done = command(*words, own=own)
    assert done.returncode == 0 and "resumed at step" in done.stdout + done.stderr
    assert (run / "DONE").read_text() == (whole / "DONE").read_text()


@pytest.mark.long
def test_changed_and_missing_code(trained, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(trained[0], own)
    run = tmp_path / "run"
    shutil.copytree(trained[1], run)
    with open(own / "my_gan.py", "a") as file:
        file.write("\n# changed\n")
    words = [*TRAIN, f"--workdir={run}"]
    error = one_line(command(*words, own=own))
    assert f"made with other code: {METHOD} (sha256 " in error and "--restart" in error
    done = command("sample", str(run), "--n=4", "--trust", own=own)
    assert METHOD in one_line(done, code=0) and "may differ" in done.stderr
    (own / "my_gan.py").unlink()
    error = one_line(command("sample", str(run), "--trust", own=own))
    assert f"{METHOD} cannot be imported" in error and "PYTHONPATH" in error
    assert METHOD in one_line(command(*words, own=own))
