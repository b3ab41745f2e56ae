"""Random faults over a run of several processes: each ends in time, and nothing is lost.

GAN_JAX_FAULTS sets their number.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from gan_jax.errors import EXIT_DONE, EXIT_STOPPED
from tests import peer_processes

N_FAULTS = int(os.environ.get("GAN_JAX_FAULTS", "6"))
TIMEOUT = 10  # --peer_timeout
IN_TIME = TIMEOUT + 10  # for a busy machine
STEPS = 1000
WORDS = [
    *["gan", "--data=galaxies:300", "--size=8", "--width=2", "--z_dim=3", "--batch=6"],
    *[f"--steps={STEPS}", "--log_every=50", "--sample_every=100", "--save_every=50"],
    *["--eval_every=300", "--eval_images=128", "--eval_scores=kernel", f"--peer_timeout={TIMEOUT}"],
]
UNTIL_FIRST_STEP = 25.0  # seconds that a start may take: faults hit it and what comes after

pytestmark = pytest.mark.slow


def disturb(process, kind):
    """Kill or stop a process."""
    process.send_signal(signal.SIGKILL if kind == "kill" else signal.SIGSTOP)


def end_others(started, hit):
    """Wait for the processes that were not hit. Returns ({process: code}, seconds)."""
    began, codes = time.monotonic(), {}
    for p, process in enumerate(started):
        if p != hit:
            codes[p] = process.wait(timeout=peer_processes.MAX_SECONDS)
    return codes, time.monotonic() - began


@pytest.mark.parametrize("n", [2, 3])
def test_random_faults(n, child_env, tmp_path):
    """Runs that are disturbed again and again end with the digest of an undisturbed one."""
    rng = random.Random(n)
    quiet = tmp_path / "quiet"
    ended = peer_processes.end(peer_processes.start(n, [*WORDS, f"--workdir={quiet}"], child_env))
    assert [code for code, _, _ in ended] == [EXIT_DONE] * n, ended
    folder = tmp_path / "run"
    words = [*WORDS, f"--workdir={folder}"]
    faults, results = N_FAULTS // 2, []
    while len(results) < faults:
        if (folder / "DONE").exists():
            assert peer_processes.digest(folder) == peer_processes.digest(quiet)
            shutil.rmtree(folder)
        hit, kind = rng.randrange(n), rng.choice(["kill", "kill", "stop"])
        delay = rng.uniform(1, UNTIL_FIRST_STEP)
        started = peer_processes.start(n, words, child_env)
        time.sleep(delay)
        if any(process.poll() is not None for process in started):
            peer_processes.end(started)
            continue  # it had ended before
        disturb(started[hit], kind)
        codes, seconds = end_others(started, hit)
        started[hit].kill()
        said = [text for _, _, text in peer_processes.end(started)]
        results.append((len(results), kind, hit, round(delay, 1), codes, round(seconds, 1)))
        print(*results[-1], flush=True)
        assert set(codes.values()) <= {EXIT_STOPPED, EXIT_DONE}, (results[-1], said)
        # Nobody knows that a process is gone which had not come yet.
        met = any("was lost" in text or "were lost" in text for text in said)
        assert seconds < (IN_TIME if met else 5 * TIMEOUT + 30), (results[-1], said)
    while not (folder / "DONE").exists():
        ended = peer_processes.end(peer_processes.start(n, words, child_env))
        assert [code for code, _, _ in ended] == [EXIT_DONE] * n, ended
    assert peer_processes.digest(folder) == peer_processes.digest(quiet)


def test_a_cut_network(child_env, tmp_path):
    """Two network namespaces whose link goes down: both sides end, and name each other."""
    ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)
    try:
        ip("netns", "add", "gan0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs root and iproute2")
    try:
        ip("netns", "add", "gan1")
        ip(
            "link",
            "add",
            "veth0",
            "netns",
            "gan0",
            "type",
            "veth",
            "peer",
            "veth1",
            "netns",
            "gan1",
        )
        for p in range(2):
            space, name = f"gan{p}", f"veth{p}"
            ip("-n", space, "addr", "add", f"10.77.0.{p + 1}/24", "dev", name)
            ip("-n", space, "link", "set", name, "up")
            ip("-n", space, "link", "set", "lo", "up")
        folder = tmp_path / "run"
        started = peer_processes.start(
            2,
            [*WORDS, f"--workdir={folder}", "--steps=1000000"],
            child_env,
            address="10.77.0.1",
            before=[["ip", "netns", "exec", f"gan{p}"] for p in range(2)],
        )
        deadline = time.monotonic() + 120
        while not peer_processes.checkpoints(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        ip("-n", "gan1", "link", "set", "veth1", "down")
        codes, seconds = end_others(started, None)
        said = [text for _, _, text in peer_processes.end(started)]
        assert set(codes.values()) == {EXIT_STOPPED}, said
        assert seconds < IN_TIME, (seconds, said)
        assert "process 1 of 2" in said[0] and "process 0 of 2" in said[1], said
    finally:
        for p in range(2):
            subprocess.run(["ip", "netns", "del", f"gan{p}"], capture_output=True)


def test_a_full_disk_at_process_0(child_env, tmp_path):
    """It stops nobody; where it does, at the start or the end, all end with its code."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)]
        subprocess.run(mount, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs root")
    try:
        words = [*WORDS, f"--workdir={disk / 'run'}", "--steps=200"]
        fill = disk / "fill"
        fill.write_bytes(bytes(250_000))
        both = peer_processes.end(peer_processes.start(2, words, child_env))
        assert [code for code, _, _ in both] == [EXIT_STOPPED] * 2, both
        assert "full" in both[0][2].lower() and not both[1][2]
        fill.unlink()
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        both = peer_processes.end(peer_processes.start(2, words, child_env))
        assert [code for code, _, _ in both] == [EXIT_DONE] * 2, both
    finally:
        subprocess.run(["umount", "-l", str(disk)], capture_output=True)
