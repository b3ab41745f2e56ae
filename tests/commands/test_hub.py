"""Upload to and download from a hub, by the real client, against a server on this machine."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.rundir import published
from tests import paths
from tests.commands import hub_server
from tests.rundir.test_published import publish, save_run

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The published folder of an untrained GAN."""
    folder = tmp_path_factory.mktemp("hub")
    save_run(folder / "run", "gan")
    publish(folder / "run", folder / "model")
    return folder / "model"


@pytest.fixture
def command(child_env, tmp_path):
    """Function that runs gan_jax in a process of its own, whose hub is at an address."""

    def run(address, *words, token="hf_token"):
        env = {**child_env, "PYTHONPATH": str(paths.ROOT), "HF_HOME": str(tmp_path / "home")}
        env |= {"HF_ENDPOINT": address, "HF_TOKEN": token, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        return subprocess.run(
            [sys.executable, "-m", "gan_jax", *map(str, words)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_there_and_back(model, command, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "notes.txt").write_text("not published")
    names = {path.name for path in model.iterdir()}
    with hub_server.serve() as hub:
        done = command(hub.address, "publish", folder, "--hub=me/x", "--private")
        assert done.returncode == 0 and f"Uploaded: {hub.address}/me/x" in done.stdout, done.stderr
        assert hub.files == {path.name: path.read_bytes() for path in model.iterdir()}
        assert hub.created[0]["name"] == "x" and hub.created[0]["organization"] == "me"
        assert hub.created[0].get("visibility", "private") == "private"
        uploaded = len(hub.requests)

        refused = command(hub.address, "sample", "hf:me/x")
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        assert "hf:me/x is not, or not wholly, in the local cache of the hub; add" in refused.stderr
        assert len(hub.requests) == uploaded  # not asked

        sample = ("sample", "hf:me/x", "--form=npz", "--n=70")
        fetched = command(hub.address, *sample, "--download")
        assert fetched.returncode == 0, fetched.stderr
        hub.files["README.md"] = b"a newer commit"
        asked = len(hub.requests)
        again = command(hub.address, *sample, "--download", f"--out={tmp_path / 'again.npz'}")
        assert again.returncode == 0 and len(hub.requests) == asked  # it is in the cache
    offline = command(hub.address, *sample, f"--out={tmp_path / 'offline.npz'}")
    assert offline.returncode == 0, offline.stderr
    command(hub.address, "sample", model, "--form=npz", "--n=70", f"--out={tmp_path / 'own.npz'}")
    with np.load(tmp_path / "own.npz") as file:
        want = file["images"]
    for path in ("x-results/sampled.npz", "again.npz", "offline.npz"):
        with np.load(tmp_path / path) as file:
            assert np.array_equal(file["images"], want)
    snapshots = list((tmp_path / "home" / "hub" / "models--me--x" / "snapshots").iterdir())
    assert {path.name for path in snapshots[0].iterdir()} == names  # nothing was written there

    # A snapshot that lost a file, or whose file is damaged, is refused, and fetched on request.
    stored = (snapshots[0] / published.MODEL).resolve()
    stored.write_bytes(stored.read_bytes()[:-9])
    damaged = command(hub.address, *sample)
    assert damaged.returncode == 2 and "model.safetensors is damaged" in damaged.stderr
    stored.unlink()
    missing = command(hub.address, *sample)
    assert missing.returncode == 2 and missing.stderr.count("\n") == 1, missing.stderr


def test_refusals(model, command, tmp_path):
    """In one line; the folder stays whole."""
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    with hub_server.serve() as hub:
        for words, text in [
            (("publish", model, "--hub=me/x"), "log in with: hf auth login"),
            (("sample", "hf:me/y", "--download"), "hf:me/y cannot be downloaded"),
        ]:
            done = command(hub.address, *words, token="hf_wrong")
            assert done.returncode == 2 and text in done.stderr, done.stderr
            assert done.stderr.count("\n") == 1
        hub.files = {"config.json": json.dumps({"model_type": "bert"}).encode()}
        done = command(hub.address, "sample", "hf:me/x", "--download")
        assert done.returncode == 2 and "is not a model that gan_jax published" in done.stderr
    for words in (("publish", model, "--hub=me/x"), ("sample", "hf:me/z", "--download")):
        done = command(hub.address, *words)  # nobody listens there now
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
