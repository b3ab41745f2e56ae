"""One run over several real processes: equal to one process, and ended together."""

import json
import os
import signal
import sys
import time

import jax
import numpy as np
import pytest

from gan_jax.commands import presets
from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted
from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED, InputError
from gan_jax.rundir import log, run_folder
from gan_jax.training import peer_start
from tests import environment, peer_processes, waiting
from tests.tiers import slowly

TINY = ["gan", "--data=galaxies:20", "--size=8", "--width=2", "--z_dim=3", "--batch=6"]
STEPS = 200
SHORT = [*TINY, f"--steps={STEPS}", "--log_every=20", "--sample_every=50", "--save_every=20"]
LONG = [*TINY, "--steps=1000000", "--log_every=5", "--save_every=5", "--peer_timeout=10"]


def run(n, words, env, **options):
    return peer_processes.end(peer_processes.start(n, words, env, **options))


def alone(words, env, devices):
    flags = f"{env['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    process = peer_processes.start(1, words, {**env, "XLA_FLAGS": flags})
    [(code, _, said)] = peer_processes.end(process)
    assert code == EXIT_DONE, said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The digest of SHORT in one process with two devices."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    alone([*SHORT, f"--workdir={folder}"], environment.of_commands(), 2)
    return peer_processes.digest(folder)


@pytest.mark.parametrize("where", ["resident", slowly("streamed")])
def test_two_processes_equal_two_devices_of_one(where, undisturbed, child_env, tmp_path):
    """Bit for bit, without a shared disk, written by process 0 alone."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    words = [*SHORT, "--workdir=run", f"--resident_gib={0 if where == 'streamed' else -1}"]
    (code0, out0, said0), (code1, out1, said1) = run(2, words, child_env, folders=folders)
    assert (code0, code1) == (EXIT_DONE, EXIT_DONE), said0 + said1
    assert peer_processes.digest(folders[0] / "run") == undisturbed
    assert not list(folders[1].iterdir())
    assert f"step {STEPS}/{STEPS}" in out0 and "step" not in out1 and not said1


def has_batch_thread(pid):
    """Whether a thread of a process leaves the core to the others, as gloo's is to do."""
    tids = os.listdir(f"/proc/{pid}/task")
    return os.SCHED_BATCH in [os.sched_getscheduler(int(tid)) for tid in tids]


@pytest.mark.slow
def test_a_signal_to_one_ends_both_after_the_same_step(undisturbed, child_env, tmp_path):
    """It is saved once. One process with as many devices goes on, to the undisturbed end."""
    folder = tmp_path / "run"
    words = [*SHORT, f"--workdir={folder}"]
    both = peer_processes.start(2, words, child_env)
    if sys.platform == "linux":
        waiting.until(lambda: all(has_batch_thread(process.pid) for process in both), 120)
    waiting.until(lambda: peer_processes.checkpoints(folder), 120)
    both[1].send_signal(signal.SIGTERM)
    (code0, _, said0), (code1, _, said1) = peer_processes.end(both)
    assert (code0, code1) == (EXIT_STOPPED, EXIT_STOPPED), said0 + said1
    stopped = peer_processes.checkpoints(folder)[-1]
    assert f"stopped by SIGTERM at step {stopped}; saved." in said0
    assert "stopped by" not in said1
    alone(words, child_env, 2)
    assert peer_processes.digest(folder) == undisturbed


@pytest.mark.parametrize("lost", [0, slowly(1)])
def test_a_lost_process_ends_the_others_in_time(lost, undisturbed, child_env, tmp_path):
    """With one line that names it; the same command resumes, to the undisturbed end."""
    folder = tmp_path / "run"
    words = [*SHORT, f"--workdir={folder}", "--peer_timeout=10"]
    both = peer_processes.start(2, words, child_env)
    waiting.until(lambda: peer_processes.checkpoints(folder), 120)
    both[lost].kill()
    began = time.monotonic()
    ended = peer_processes.end(both)
    assert time.monotonic() - began < 20
    code, _, said = ended[1 - lost]
    assert code == EXIT_STOPPED
    assert f"process {lost} of 2 (host" in said and said.count("was lost. The same command") == 1
    noted = json.loads((folder / "processes.json").read_text())
    assert noted["processes"] == 2 and f"process {lost} of 2 (host" in noted["lost"]
    ended = run(2, words, child_env)
    assert [code for code, _, _ in ended] == [EXIT_DONE] * 2, ended
    assert peer_processes.digest(folder) == undisturbed


@pytest.mark.slow
def test_a_stuck_process_ends_the_others(child_env, tmp_path):
    words = [*LONG, f"--workdir={tmp_path / 'run'}"]
    both = peer_processes.start(2, words, child_env)
    waiting.until(lambda: peer_processes.checkpoints(tmp_path / "run"), 120)
    both[1].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    [(code, _, said)] = peer_processes.end(both[:1])
    both[1].kill()
    peer_processes.end(both[1:])
    assert code == EXIT_STOPPED and time.monotonic() - began < 20
    assert "process 1 of 2 (host" in said and "lost" in said


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({1: ["--lr=0.5"]}, "process 1 of 2 (host HOST) has hp.lr=0.5, and process 0 has hp.lr="),
        slowly({1: ["--data=galaxies:40"]}, "process 1 of 2 (host HOST) has dataset.digest="),
        slowly({1: ["--data=folder:/nowhere"]}, "process 1 of 2 (host HOST): --data=folder:/no"),
        ({0: ["--steps=x"], 1: ["--steps=x"]}, "flag --steps=x"),
        slowly({0: ["--members=2"], 1: ["--members=2"]}, "--members=2 trains in one process"),
    ],
)
def test_a_refusal_is_one_line_once(more, expected, child_env, tmp_path):
    words = [*SHORT, f"--workdir={tmp_path / 'run'}"]
    ended = run(2, words, child_env, more=more)
    assert [code for code, _, _ in ended] == [EXIT_REFUSED] * 2, ended
    (_, _, said), (_, _, other) = ended
    host = peer_start.host_name()
    assert len(said.splitlines()) == 1 and expected.replace("HOST", host) in said
    said_by_data = [line for line in other.splitlines() if "rendering" in line]
    assert other.splitlines() == said_by_data and not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_a_non_finite_value_ends_both_with_its_code(child_env, tmp_path):
    words = [*SHORT, "--lr=1e30", "--save_every=1", "--log_every=1", f"--workdir={tmp_path / 'r'}"]
    (code0, _, said0), (code1, _, said1) = run(2, words, child_env)
    assert (code0, code1) == (EXIT_FAILED, EXIT_FAILED)
    assert "non-finite" in said0 and not said1


def test_wrong_sums_are_refused(monkeypatch):
    peer_start.check_mesh()
    right = parallel.local
    monkeypatch.setattr(parallel, "local", lambda tree: np.asarray(right(tree)) + 1)
    with pytest.raises(InputError, match="gives wrong sums"):
        peer_start.check_mesh()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("auto", "node1", 2, 0), "is not HOST:PORT"),
        (("auto", "node1:99999", 2, 0), "is not HOST:PORT"),
        (("auto", "node1:29400", 2, 2), "I from 0 to N - 1"),
        (("auto", "node1:29400", 0, -1), "I from 0 to N - 1"),
        (("auto", "", 2, 0), "need --coordinator=HOST:PORT"),
    ],
)
def test_contradicting_flags_are_refused(arguments, expected):
    with pytest.raises(InputError, match=expected):
        peer_start.find(*arguments)


def test_a_process_by_itself_finds_nobody(monkeypatch):
    assert peer_start.find("auto", "", 0, -1) is None
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "n[1-2]")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_LOCALID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert peer_start.find("auto", "", 0, -1) == (None, 2, 1)
    assert peer_start.find("off", "", 0, -1) is None
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert peer_start.find("auto", "", 0, -1) is None


@pytest.mark.slow
def test_process_0_alone_reads_the_weights_that_a_run_begins_with(child_env, tmp_path):
    """The other one has no such folder; both hold what two devices of one process would."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    short = [*TINY, "--steps=2", "--save_every=1", "--sample_every=0"]
    alone([*short, f"--workdir={folders[0] / 'old'}"], child_env, 2)
    begun = [*short, "--seed=3", "--init_from=old"]
    absolute = [*begun[:-1], f"--init_from={folders[0] / 'old'}"]
    alone([*absolute, f"--workdir={tmp_path / 'alone'}"], child_env, 2)
    ended = run(2, [*begun, "--workdir=run"], child_env, folders=folders)
    assert [code for code, _, _ in ended] == [EXIT_DONE] * 2, ended
    assert peer_processes.digest(folders[0] / "run") == peer_processes.digest(tmp_path / "alone")
    assert not list(folders[1].iterdir())
    ended = run(2, [*begun, "--workdir=run"], child_env, folders=folders)
    assert [code for code, _, _ in ended] == [EXIT_DONE] * 2, ended
    assert "is finished" in ended[0][1]


def in_processes_and_alone(n, words, env, tmp_path):
    """The run folders of a command over n processes, and over n devices of one."""
    folders = tmp_path / "run", tmp_path / "alone"
    alone([*words, f"--workdir={folders[1]}"], env, n)
    ended = run(n, [*words, f"--workdir={folders[0]}"], env)
    assert [code for code, _, _ in ended] == [EXIT_DONE] * n, ended
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(presets.TABLE))
def test_every_method_over_two_processes_equals_one(name, child_env, tmp_path):
    """Bit for bit: sums of two numbers have one order."""
    words = [name, f"--flagfile={name}_smoke", "--steps=6", "--batch=12", "--save_every=3"]
    words += ["--log_every=3", "--eval_every=0", "--resident_gib=-1"]
    folders = in_processes_and_alone(2, words, child_env, tmp_path)
    assert len(set(map(peer_processes.digest, folders))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(presets.TABLE))
def test_every_method_over_three_processes_equals_one(name, child_env, tmp_path):
    """To rounding, since gloo adds three numbers in another order. Here data are streamed."""
    words = [name, f"--flagfile={name}_smoke", "--steps=1", "--batch=12", "--save_every=1"]
    words += ["--log_every=1", "--eval_every=0", "--resident_gib=0", "--optimizer=sgd"]
    words += ["--gen_batch=6"] * (name == "mgan")  # of each of its three generators
    folders = in_processes_and_alone(3, [*words, "--lr=0.01", "--beta2_end=0"], child_env, tmp_path)
    loaded = [run_folder.load(folder) for folder in folders]
    start = init_jitted(loaded[0].method, loaded[0].config.run.seed).params
    nets = (start, *(one.state.params for one in loaded))
    for w, a, b in zip(*map(jax.tree.leaves, nets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 + 1e-5 * np.abs(b - w).max())
    records = [log.read(folder / "metrics.jsonl")[-1] for folder in folders]
    for key in [key for key in records[0] if key.endswith(("loss", "grad_norm"))]:
        assert records[0][key] == pytest.approx(records[1][key], rel=1e-4, abs=1e-6), key


@pytest.mark.slow
def test_other_numbers_of_processes_go_on(child_env, tmp_path):
    """Two, one and three processes, each after the other was stopped: equal to rounding."""
    words = [*SHORT, "--steps=600", "--ema=0.9"]
    alone([*words, f"--workdir={tmp_path / 'alone'}"], child_env, 1)
    folder = tmp_path / "run"
    for n, until in [(2, 100), (1, 300), (3, 600)]:
        started = peer_processes.start(n, [*words, f"--workdir={folder}"], child_env)
        if until < 600:
            here = lambda until=until: any(s >= until for s in peer_processes.checkpoints(folder))
            waiting.until(here, 200)
            started[-1].send_signal(signal.SIGTERM)
        ended = peer_processes.end(started)
        assert [code for code, _, _ in ended] == [EXIT_STOPPED if until < 600 else 0] * n, ended
    last = [log.read(path / "metrics.jsonl")[-1] for path in (tmp_path / "alone", folder)]
    assert last[0]["step"] == last[1]["step"] == 600
    for key in ("disc/loss", "gen/loss"):
        assert last[1][key] == pytest.approx(last[0][key], rel=0.02)
