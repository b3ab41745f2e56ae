"""Random faults over a run of several processes: each ends in time, and nothing is lost.

GAN_JAX_FAULTS sets their number.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from gan_jax.errors import EXIT_DONE, EXIT_STOPPED
from gan_jax.rundir import run_folder
from tests import peer_network, peer_processes, waiting

N_FAULTS = int(os.environ.get("GAN_JAX_FAULTS", "6"))
TIMEOUT = 10  # --peer_timeout
IN_TIME = TIMEOUT + 10  # for a busy machine
EVAL_EVERY = 200
WORDS = [
    *["gan", "--data=galaxies:300", "--size=8", "--width=2", "--z_dim=3", "--batch=6"],
    *["--steps=600", "--log_every=20", "--sample_every=100", "--save_every=40"],
    *[f"--eval_every={EVAL_EVERY}", "--eval_images=128", "--eval_scores=kernel"],
    f"--peer_timeout={TIMEOUT}",
]
FAULTS = ["kill", "kill", "stop", "cut", "full"]
MOMENTS = ["start", "compilation", "training", "training", "saving", "evaluation"]

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def small_disk(folder, size):
    """A disk of its own at a folder."""
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", size, "none", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def enter(stack, context):
    """Enter a context that needs root; skip the test without."""
    try:
        return stack.enter_context(context)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs root, mount and iproute2: {error}")


@pytest.fixture
def network():
    """Makes a network of n namespaces; returns the words before the command of each process."""
    with contextlib.ExitStack() as stack:
        yield lambda n: enter(stack, peer_network.joined(n))


@pytest.fixture
def disk(tmp_path):
    """Makes a disk of a given size at a folder of its own."""
    with contextlib.ExitStack() as stack:
        yield lambda size: enter(stack, small_disk(tmp_path / "disk", size))


def is_now(moment, folder, began):
    """Whether a run has come to a moment of its life."""
    if moment == "compilation":  # which follows the agreement on configuration and data
        file = folder / run_folder.PROCESSES
        return file.exists() and file.stat().st_mtime > began
    root = folder / "checkpoints"
    if moment == "saving":
        return root.is_dir() and any("tmp" in name for name in os.listdir(root))
    log = folder / "metrics.jsonl"
    if not log.exists() or log.stat().st_mtime < began:
        return False
    last = log.read_bytes().rstrip().rpartition(b"\n")[2]
    evaluates = any(b'"step": %d,' % s in last for s in (EVAL_EVERY, 2 * EVAL_EVERY))
    return moment == "training" or (evaluates and b"eval" not in last)


def wait_for(moment, folder, started, began, rng):
    """Wait for a moment. Returns whether all processes are still there."""
    is_there = lambda: all(process.poll() is None for process in started)
    if moment == "start":
        time.sleep(rng.uniform(0.5, 8))
    else:
        waiting.until(lambda: is_now(moment, folder, began) or not is_there(), 200, pause=0.002)
        time.sleep(rng.uniform(0, {"compilation": 3, "training": 4}.get(moment, 0.1)))
    return is_there()


def disturb(started, kind, hit, disk):
    """Do harm. Returns the processes that are left to end by themselves."""
    if kind in ("kill", "stop"):
        started[hit].send_signal(signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        return [process for p, process in enumerate(started) if p != hit]
    if kind == "cut":
        peer_network.cut(hit)
    else:
        with contextlib.suppress(OSError), open(disk / "fill", "wb") as file:
            while True:
                file.write(bytes(1 << 16))
    return started


@pytest.mark.parametrize("n", [2, 3])
def test_random_faults(n, network, disk, child_env, tmp_path):
    """Runs that are disturbed again and again end with the digest of an undisturbed one."""
    rng, results, before, mount = random.Random(n), [], network(n), disk("size=20m")
    quiet, folder = tmp_path / "quiet", mount / "run"

    def start(folder):
        words, address = [*WORDS, f"--workdir={folder}"], peer_network.ADDRESS
        return peer_processes.start(n, words, child_env, address=address, before=before)

    ended = peer_processes.end(start(quiet))
    assert [code for code, _, _ in ended] == [EXIT_DONE] * n, ended
    while len(results) < N_FAULTS // 2 or not (folder / "DONE").exists():
        if (folder / "DONE").exists():
            assert peer_processes.digest(folder) == peer_processes.digest(quiet)
            shutil.rmtree(folder)
        began, started = time.time(), start(folder)
        hit, kind, moment = rng.randrange(n), rng.choice(FAULTS), rng.choice(MOMENTS)
        disturbs = len(results) < N_FAULTS // 2
        if not disturbs or not wait_for(moment, folder, started, began, rng):
            ended = peer_processes.end(started)
            assert {code for code, _, _ in ended} == {EXIT_DONE}, ended
            continue  # it had ended before
        left, hit_at = disturb(started, kind, hit, mount), time.monotonic()
        codes = [p.wait(timeout=peer_processes.MAX_SECONDS) for p in left]
        seconds = time.monotonic() - hit_at
        for process in started:
            process.kill()
        said = [text for _, _, text in peer_processes.end(started)]
        peer_network.mend(n)
        (mount / "fill").unlink(missing_ok=True)
        results.append((len(results), kind, moment, hit, codes, round(seconds, 1)))
        print(*results[-1], flush=True)
        assert set(codes) <= {EXIT_STOPPED, EXIT_DONE}, (results[-1], said)
        # Nobody knows that a process is gone which had not come yet; a full disk stops nobody.
        met = any("was lost" in text or "were lost" in text for text in said)
        in_time = IN_TIME if met else 5 * TIMEOUT + 30
        assert kind == "full" or seconds < in_time, (results[-1], said)
    assert peer_processes.digest(folder) == peer_processes.digest(quiet)


def test_a_cut_network(network, child_env, tmp_path):
    """Two network namespaces whose link goes down: both sides end, and name each other."""
    folder, before, address = tmp_path / "run", network(2), peer_network.ADDRESS
    words = [*WORDS, f"--workdir={folder}", "--steps=1000000"]
    started = peer_processes.start(2, words, child_env, address=address, before=before)
    waiting.until(lambda: peer_processes.checkpoints(folder), 120)
    peer_network.cut(1)
    cut_at = time.monotonic()
    ended = peer_processes.end(started)
    said = [text for _, _, text in ended]
    assert {code for code, _, _ in ended} == {EXIT_STOPPED}, said
    assert time.monotonic() - cut_at < IN_TIME, said
    assert "process 1 of 2" in said[0] and "process 0 of 2" in said[1], said


def test_a_full_disk_at_process_0(disk, child_env, tmp_path):
    """It stops nobody; where it does, at the start or the end, all end with its code."""
    mount = disk("size=300k")
    words = [*WORDS, f"--workdir={mount / 'run'}", "--steps=200"]
    fill = mount / "fill"
    fill.write_bytes(bytes(250_000))
    both = peer_processes.end(peer_processes.start(2, words, child_env))
    assert [code for code, _, _ in both] == [EXIT_STOPPED] * 2, both
    assert "full" in both[0][2].lower() and not both[1][2]
    fill.unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", str(mount)], check=True)
    both = peer_processes.end(peer_processes.start(2, words, child_env))
    assert [code for code, _, _ in both] == [EXIT_DONE] * 2, both
