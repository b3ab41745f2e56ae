"""The Python interface in a real Jupyter kernel: progress, HTML, interrupts."""

import queue
import time

import pytest

import gan_jax as gj
from tests import paths, test_api

manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("ipykernel")

STEPS = 4000
TRAIN = f"""
import numpy as np
import gan_jax as gj
images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
settings = {test_api.TINY | {"steps": STEPS, "log_every": 500, "sample_every": 0, "save_every": 0}}
run = gj.train("dcgan", data=images, workdir="FOLDER", **settings)
run
"""


@pytest.fixture
def kernel(child_env):
    """A client of a kernel of its own."""
    km = manager.KernelManager(kernel_name="python3")
    km.start_kernel(env={**child_env, "PYTHONPATH": str(paths.ROOT)})
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield km, client
    client.stop_channels()
    km.shutdown_kernel(now=True)


def execute(client, code, on_text=lambda text: None, seconds=120):
    """Run a cell. Returns its messages, (type, content), up to the end of the cell."""
    client.execute(code)
    messages, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        kind, content = message["msg_type"], message["content"]
        messages.append((kind, content))
        if kind == "stream":
            on_text(content["text"])
        if kind == "status" and content["execution_state"] == "idle":
            return messages
    raise AssertionError(f"no end after {seconds} s: {messages[-3:]}")


@pytest.mark.long
def test_a_cell_trains_is_interrupted_goes_on_and_shows_the_run(kernel, tmp_path):
    km, client = kernel
    code = TRAIN.replace("FOLDER", str(tmp_path / "run"))

    sent = []

    def interrupt(text):
        """Interrupt once, when the first losses are shown; a second time would not save."""
        if "images/s" in text and not sent:
            sent.append(text)
            km.interrupt_kernel()

    first = execute(client, code, interrupt)
    errors = [content for kind, content in first if kind == "error"]
    assert [error["ename"] for error in errors] == ["Stopped"]
    assert "saved" in errors[0]["evalue"]
    stopped_at = gj.load(tmp_path / "run").step
    assert 0 < stopped_at < STEPS

    second = execute(client, code)
    assert not [content for kind, content in second if kind == "error"]
    text = "".join(content["text"] for kind, content in second if kind == "stream")
    assert f"resumed at step {stopped_at} of {STEPS}" in text and "step/s" in text
    shown = [content["data"] for kind, content in second if kind == "execute_result"]
    assert "data:image/png;base64," in shown[0]["text/html"]

    whole = tmp_path / "whole"
    execute(client, code.replace(str(tmp_path / "run"), str(whole)))
    assert test_api.digest(tmp_path / "run") == test_api.digest(whole)
