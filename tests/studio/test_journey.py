"""Real servers, training and kills: runs go on without a studio, and another studio finds them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests import paths
from tests.studio.run_files import record

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("jinja2")

FLAGS = {
    "steps": "4000",
    "log_every": "20",
    "sample_every": "500",
    "save_every": "100",
    "data": "galaxies:256",
}
ASKED = {"experiment": "gan", "flagfile": "gan_smoke", "flags": FLAGS}


class Served:
    """A studio in a process of its own."""

    def __init__(self, root, env, *flags):
        words = [sys.executable, "-m", "gan_jax", "studio", f"--root={root}", "--port=0", *flags]
        env = {**env, "PYTHONPATH": str(paths.ROOT)}
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http://[^ ]*:\d+/", self.process.stdout.readline())[0]

    def ask(self, path, given=None):
        """The JSON answer of a path; with given, of a POST."""
        data = None if given is None else json.dumps(given).encode()
        request = urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def run(self, name):
        """The summary of a run."""
        return self.ask(f"api/run/{name}")["run"]

    def until(self, name, condition, seconds=90):
        """Waits for a condition of a run's summary, which is returned."""
        end = time.monotonic() + seconds
        while not condition(found := self.run(name)):
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found

    def resident(self):
        """Memory of the server, in kB."""
        return int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{self.process.pid}/status").read())[1])

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20)


@pytest.fixture
def serve(tmp_path, child_env):
    """serve(*flags): a Served of one root. All are ended after the test, and what they started."""
    made = []

    def begin(*flags):
        made.append(Served(tmp_path / "root", child_env, *flags))
        return made[-1]

    yield begin
    alive = [s for s in made if s.process.poll() is None]
    for run in alive[0].ask("api/runs")["runs"] if alive else []:
        if run["state"] in ("running", "starting", "queued"):
            alive[0].ask("api/stop", {"name": run["name"]})
    for found in alive:
        found.end()


@pytest.mark.long
def test_the_server_comes_up_small_and_ends_at_once(serve):
    """JAX is not in it: 40 MB."""
    studio = serve()
    assert studio.ask("api/runs") == {"runs": [], "sweeps": [], "jobs": 1}
    assert studio.resident() < 100_000
    studio.end()
    assert studio.process.returncode == 0


@pytest.mark.slow
def test_kills_of_studio_and_run(serve, tmp_path, child_env):
    """A run survives its studio, and after a kill ends as if it had not been interrupted.

    The studio is killed while the run trains: the run goes on, and another studio finds it. The run
    is killed: it shows as crashed, is resumed, and ends with the state of an uninterrupted run.
    Two studios of one root show the same.
    """
    first = serve()
    first.ask("api/launch", ASKED | {"name": "a"})
    seen = first.until("a", lambda run: run["state"] == "running" and run["step"] >= 100)
    with urllib.request.urlopen(first.address + "api/stream/a", timeout=20) as events:
        lines = [events.readline().decode() for _ in range(40)]
    assert sum(line == "event: records\n" for line in lines) >= 2 and "event: reload\n" in lines
    first.end(signal.SIGKILL)
    second, third = serve(), serve()
    gone_on = second.until(
        "a", lambda run: run["state"] == "running" and run["step"] > seen["step"]
    )
    assert third.run("a")["step"] >= gone_on["step"]
    pid = json.loads((tmp_path / "root" / "a" / "studio.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    crashed = third.until("a", lambda run: run["state"] == "crashed")
    assert "signal 9" in crashed["reason"]
    third.ask("api/resume", {"name": "a"})
    second.until("a", lambda run: run["state"] == "running" and run["step"] > crashed["step"])
    assert "asked to save" in third.ask("api/stop", {"name": "a"})["message"]
    stopped = second.until("a", lambda run: run["state"] == "stopped")
    assert "saved" in stopped["reason"]
    second.ask("api/resume", {"name": "a"})
    second.until("a", lambda run: run["state"] == "finished")
    words = [f"--{name}={value}" for name, value in FLAGS.items()]
    alone = [
        sys.executable,
        "-m",
        "experiments.gan",
        "--flagfile=gan_smoke",
        *words,
        f"--workdir={tmp_path / 'alone'}",
    ]
    subprocess.run(
        alone, env={**child_env, "PYTHONPATH": str(paths.ROOT)}, check=True, capture_output=True
    )
    assert (tmp_path / "alone" / "DONE").read_text() == (
        tmp_path / "root" / "a" / "DONE"
    ).read_text()


@pytest.mark.slow
def test_refusals_and_divergence_show_their_words(serve):
    studio = serve("--jobs=2")
    with pytest.raises(urllib.error.HTTPError) as refused:
        studio.ask("api/launch", ASKED | {"name": "refused", "flags": {"data": "idx:/nowhere"}})
    assert refused.value.code == 400
    assert "--data=idx:/nowhere is not a folder" in json.load(refused.value)["error"]
    studio.ask(
        "api/launch", ASKED | {"name": "diverged", "flags": {"data": "galaxies:256", "lr": "1e30"}}
    )
    assert (
        "non-finite" in studio.until("diverged", lambda run: run["state"] == "diverged")["reason"]
    )
    dry = studio.ask("api/dry_run", ASKED | {"name": "dry", "flags": {"data": "galaxies:256"}})
    assert dry["code"] == 0 and '"experiment": "gan"' in dry["output"]
    assert {run["name"] for run in studio.ask("api/runs")["runs"]} == {"diverged"}
    with pytest.raises(urllib.error.HTTPError) as found:
        studio.ask("api/resume", {"name": "nowhere"})
    assert found.value.code == 404


@pytest.mark.long
def test_two_hundred_long_runs_and_fifty_open_pages(serve, make_run, tmp_path):
    """100,000 lines each: the first list within a second, all streams live, below 300 MB."""
    root = tmp_path / "root"
    first = make_run(root / "000", records=0)
    lines = "".join(record(10 * i) for i in range(1, 1001))
    with open(first / "metrics.jsonl", "w") as file:
        file.writelines([lines] * 100)
    for i in range(1, 200):
        os.link(
            first / "metrics.jsonl",
            make_run(root / f"{i:03d}", metrics_jsonl=None) / "metrics.jsonl",
        )
    studio = serve()
    start = time.monotonic()
    assert len(studio.ask("api/runs")["runs"]) == 200
    assert time.monotonic() - start < 1
    position = studio.ask("api/curves/000")["position"]
    streams = [
        urllib.request.urlopen(f"{studio.address}api/stream/000?position={position}", timeout=30)
        for _ in range(50)
    ]
    with open(first / "metrics.jsonl", "a") as file:
        file.write(record(10_010))
    for stream in streams:
        while (line := stream.readline()) != b"event: records\n":
            assert line
        assert json.loads(stream.readline()[6:])[0]["step"] == 10_010
        stream.close()
    assert studio.resident() < 300_000
