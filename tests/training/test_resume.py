"""Real processes, really killed: a run killed at any moment and started again ends with the bytes
of one that never was.
"""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests import peer_processes

FLAGS = [
    "--data=galaxies:64",
    "--size=16",
    "--width=4",
    "--z_dim=8",
    "--batch=8",
    "--log_every=10",
    "--sample_every=50",
    "--save_every=10",
    "--devices=1",
]


def start(experiment, workdir, steps, env):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            f"experiments.{experiment}",
            *FLAGS,
            f"--steps={steps}",
            f"--workdir={workdir}",
        ],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def committed(workdir):
    """The newest finished checkpoint on disk; 0 if there is none."""
    return max(
        (int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()), default=0
    )


def records(workdir):
    return [
        {k: v for k, v in json.loads(line).items() if k != "wall"}
        for line in (workdir / "metrics.jsonl").open()
    ]


def read_until(process, words):
    """Lines of a process until one holds the words; the last one read comes last."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def kill_at_random(experiment, workdir, steps, env, n_kills, r):
    """Starts and kills until n_kills are done. Returns how many came after the first checkpoint."""
    late = 0
    for i in range(n_kills):
        newest = committed(workdir)
        process = start(experiment, workdir, steps, env)
        if i % 5 == 3:  # while it starts up
            time.sleep(r.uniform(0.2, 4))
        else:
            line = read_until(process, "at step ")[-1]
            expected = f"resumed at step {newest} of" if newest else "started at step 0 of"
            assert expected in line, (line, newest)
            if newest == 0:
                read_until(process, "first step done")
            time.sleep(r.uniform(0.5, 3))
        if process.poll() is not None:
            raise AssertionError("the run ended before it could be killed; give it more steps")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        late += committed(workdir) > 0
        if i == n_kills // 2 and (workdir / "metrics.jsonl").exists():
            with open(workdir / "metrics.jsonl", "a") as f:
                f.write('{"step": 77777, "disc/l')  # a torn line
    return late


def check(experiment, steps, n_kills, min_late, seed, tmp_path, env):
    whole, killed, r = tmp_path / "whole", tmp_path / "killed", random.Random(seed)
    process = start(experiment, whole, steps, env)
    assert "finished" in process.communicate()[0] and process.returncode == 0
    late = kill_at_random(experiment, killed, steps, env, n_kills, r)
    assert late >= min_late, f"only {late} kills came after the first checkpoint"
    newest = committed(killed)
    process = start(experiment, killed, steps, env)
    out = process.communicate()[0]
    assert process.returncode == 0 and f"resumed at step {newest} of" in out, out
    assert peer_processes.digest(killed) == peer_processes.digest(whole)
    assert [x["step"] for x in records(killed)] == list(range(10, steps + 1, 10))
    assert records(killed) == records(whole)
    names = sorted(p.name for p in (whole / "samples").iterdir())
    assert names == sorted(p.name for p in (killed / "samples").iterdir())
    for name in names:
        assert (killed / "samples" / name).read_bytes() == (whole / "samples" / name).read_bytes()
    shutil.rmtree(tmp_path)


@pytest.mark.long
def test_a_kill(tmp_path, child_env):
    check("dcgan", 300, 1, 0, 0, tmp_path, child_env)


@pytest.mark.slow
def test_twenty_kills(tmp_path, child_env):
    check("morpho", 4000, 20, 10, 1, tmp_path, child_env)


@pytest.mark.slow
def test_sigterm_saves_exits_with_4_and_resumes(tmp_path, child_env):
    process = start("dcgan", tmp_path / "run", 100000, child_env)
    read_until(process, "step 10/")
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=60)[0]
    step = int(re.search(r"stopped by SIGTERM at step (\d+); saved", out)[1])
    assert process.returncode == 4 and committed(tmp_path / "run") == step
    process = start("dcgan", tmp_path / "run", 100000, child_env)
    read_until(process, f"resumed at step {step} of 100000")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 4
