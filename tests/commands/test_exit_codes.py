"""Exit codes of real processes: signals while they compile, readers and folders that go away, no
home folder. Each ends with a documented code, and without a traceback.
"""

import os
import signal
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.commands import process, train
from gan_jax.errors import EXIT_DONE, EXIT_REFUSED, EXIT_STOPPED
from tests import paths, tiny_runs, waiting
from tests.tiers import slowly

TINY = [*tiny_runs.FLAGS, "--log_every=1", "--save_every=1"]
NEVER = "--steps=1000000"  # so many that a run does not end by itself
MAX_SECONDS = 120
# What Python sees on a machine where the user has no entry in the password file.
HOMELESS = "import pwd\ndef none(uid):\n    raise KeyError(uid)\npwd.getpwuid = none\n"


def start(*words, env):
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_jax", *words],
        env={**env, "PYTHONUNBUFFERED": "1"},
        cwd=paths.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(MAX_SECONDS, process.kill)  # so that no failure waits for ever
    timer.daemon = True
    timer.start()
    return process


def read_until(process, words):
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it ended without {words!r}")


def steps(folder):
    return [path.name for path in folder.iterdir() if path.name.isdigit()]


def end(process):
    """(exit code, what it wrote since), without a traceback."""
    out = process.communicate()[0]
    assert "Traceback" not in out and "Fatal" not in out, out
    return process.returncode, out


@pytest.mark.long
@pytest.mark.parametrize("sent", [slowly(["SIGTERM"]), ["SIGINT", "SIGINT"]])
def test_signals_while_compiling(sent, tmp_path, user_env):
    """Nothing is to be saved, so one signal is enough; a second one does no harm."""
    env = {**user_env, "GAN_JAX_CACHE": str(tmp_path / "cache")}  # nothing is compiled yet
    words = ["--data=galaxies:20", "--size=32", "--devices=1", NEVER, f"--workdir={tmp_path}/run"]
    process = start("train", "dcgan", *words, env=env)
    read_until(process, "compiling ...")
    for name in sent:
        process.send_signal(getattr(signal, name))
    code, out = end(process)
    assert code == EXIT_STOPPED and "all is saved" not in out
    if len(sent) == 1:
        expected = f"stopped by {sent[0]} while compiling; nothing was trained yet."
        assert expected in out
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.long
def test_a_second_interrupt_while_training_ends_it_at_once(tmp_path, child_env):
    words = [*TINY, NEVER, "--restart", f"--workdir={tmp_path}/run"]
    process = start("train", "dcgan", *words, env=child_env)
    read_until(process, "step 2/")
    process.send_signal(signal.SIGHUP)  # as from a terminal that is closed
    process.send_signal(signal.SIGINT)
    code, out = end(process)
    assert code == EXIT_STOPPED and "stopping as soon as all is saved" in out
    resumes = "saved. The same command resumes. Leave out --restart, which would begin again."
    assert resumes in out or "what was saved before is kept" in out


@pytest.mark.long
def test_a_reader_that_goes_away_costs_nothing(tmp_path, child_env):
    run = tmp_path / "run"
    process = start("train", "dcgan", *TINY, "--steps=3", f"--workdir={run}", env=child_env)
    read_until(process, "started at step")
    process.stdout.close()
    assert process.wait(120) == EXIT_DONE
    assert (run / "DONE").exists() and (run / "report.html").exists()
    sampling = start("sample", str(run), "--n=4", env=child_env)
    sampling.stdout.close()  # before the first word
    assert sampling.wait(120) == EXIT_DONE and (run / "sampled.png").exists()


@pytest.mark.long
def test_without_any_output_from_the_start(child_env):
    command = ["sh", "-c", f"{sys.executable} -m gan_jax flagfiles gan >&- 2>&-"]
    done = subprocess.run(command, env=child_env, cwd=paths.ROOT, check=False)
    assert done.returncode == EXIT_DONE


@pytest.mark.long
def test_a_reader_of_the_help_that_leaves(child_env):
    process = start("--help", env=child_env)
    process.stdout.close()
    assert process.wait(60) == EXIT_DONE


@pytest.mark.long
@pytest.mark.parametrize("how", ["renamed", slowly("replaced")])
def test_a_run_folder_that_goes_away(how, tmp_path, child_env):
    """The run stops, and goes on where its folder is now."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    process = start("train", "dcgan", *TINY, NEVER, f"--workdir={run}", env=child_env)
    read_until(process, "step 2/")
    waiting.until(lambda: steps(run / "checkpoints"), 60)
    run.rename(moved)
    if how == "replaced":
        run.mkdir()
    code, out = end(process)
    assert code == EXIT_STOPPED and "was moved or removed while this run trained" in out, out
    if how == "renamed":
        process = start("train", "dcgan", *TINY, NEVER, f"--workdir={moved}", env=child_env)
        read_until(process, "resumed at step ")
        process.send_signal(signal.SIGINT)
        assert end(process)[0] == EXIT_STOPPED


@pytest.mark.slow
def test_without_a_home_folder(tmp_path, child_env):
    """What needs none works; what needs the cache says what to set, and works with it."""
    (tmp_path / "sitecustomize.py").write_text(HOMELESS)
    np.savez(tmp_path / "a.npz", images=np.zeros((8, 16, 16, 3), np.uint8))
    (tmp_path / "folder").mkdir()
    env = {k: v for k, v in child_env.items() if k not in ("HOME", "GAN_JAX_CACHE")}
    env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{paths.ROOT}"
    words = [*TINY, "--dry_run", f"--data=npz:{tmp_path}/a.npz", "--workdir=runs/none"]
    code, out = end(start("train", "dcgan", *words, env=env))
    assert code == EXIT_DONE, out
    code, out = end(start("train", "dcgan", *words, "--data=galaxies:20", env=env))
    refusal = out.splitlines()[-1]
    assert code == EXIT_REFUSED and "set GAN_JAX_CACHE" in refusal
    name, _, value = refusal.rpartition(" ")[2].rstrip(".").partition("=")
    cache = {name: f"{tmp_path}{value}"}  # a place of the test's own
    code, out = end(start("train", "dcgan", *words, "--data=galaxies:20", env=env | cache))
    assert code == EXIT_DONE, out
    code, out = end(start("train", "dcgan", *words, "--workdir=~/run", env=env | cache))
    assert code == EXIT_REFUSED and "write the whole path" in out


def test_a_file_that_goes_away_ends_any_command_as_stopped(tmp_path, capsys):
    """Such as the folder that results are written into; an error of the program is still shown."""

    def write(argv):
        (tmp_path / "gone" / "eval.json").write_text("{}")

    assert process.guarded(write, []) == EXIT_STOPPED
    assert "gone/eval.json cannot be read or written" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        process.guarded(write, ["--debug"])
    with pytest.raises(ZeroDivisionError):
        process.guarded(lambda argv: 1 / 0, [])


def test_a_home_of_nobody(capsys):
    words = [*TINY, "--dry_run", "--workdir=~no_such_user_1/run"]
    assert process.guarded(lambda argv: train.run("dcgan", argv), words) == EXIT_REFUSED
    assert "write the whole path" in capsys.readouterr().err


def test_commands_stay_in_float32():
    was = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        types = []
        body = lambda argv: types.append(jnp.asarray(0.5 * np.ones(1)).dtype)
        assert process.guarded(body, []) == 0 and types == [jnp.float32]
    finally:
        jax.config.update("jax_enable_x64", was)
