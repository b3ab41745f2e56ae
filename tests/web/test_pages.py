"""The pages in a browser, from a static server.

Needs Chromium, playwright, and GAN_JAX_ORT, a folder with onnxruntime-web's dist files.
"""

import functools
import http.server
import json
import os
import shutil
import threading
import urllib.request

import numpy as np
import pytest

from gan_jax.commands import export
from tests.onnx_export.onnx_files import new_state, open_session, read_state, run_session

pytest.importorskip("jax2onnx")
sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def bars(path):
    """Pictures of a bright bar in one of three places, with noise, and its place as the label."""
    r, labels = np.random.default_rng(0), np.arange(340) % 3
    images = r.integers(0, 120, (340, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 + 8 * label : 8 + 8 * label] += 120
    np.savez(
        path,
        images=images[:300],
        labels=labels[:300],
        test_images=images[300:],
        test_labels=labels[300:],
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A static server of the page, with one GAN in it."""
    runtime, out = os.environ.get("GAN_JAX_ORT"), tmp_path_factory.mktemp("page")
    bars(out / "bars.npz")
    if not runtime:
        pytest.skip("GAN_JAX_ORT does not name a folder with onnxruntime-web's dist files")
    words = ["--page", "--systems=gan,mgan8", "--seeds=2", f"--digits=npz:{out / 'bars.npz'}"]
    export.run([*words, f"--runtime={runtime}", f"--out={out}"])
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=out)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def page(address):
    """The page in a narrow window; in the end, no error and no request to another server."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if not chromium:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 360, "height": 700})
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}#gan=gan&data=gaussians8")
        page.wait_for_function(
            "document.getElementById('status').textContent === 'Ready.'", timeout=60_000
        )
        yield page
        browser.close()
    assert not errors
    assert all(url.startswith((address, "data:", "blob:")) for url in requests)


# One update of each player, on sine waves as points and noise.
UPDATES = """async () => {
  const { Trainer, Tensor } = await import("./trainer.js");
  const { models } = await (await fetch("manifest.json")).json();
  const gan = await Trainer.load("gan", models.gan, null);
  gan.reset(0);
  let at = 0;
  const wave = (shape) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return new Tensor("float32", Float32Array.from({ length }, () => Math.sin(at++)), shape);
  };
  const one = new Tensor("float32", Float32Array.of(1), []), losses = [];
  for (const player of models.gan.players) {
    const given = { image: wave([models.gan.batch, 1, 1, 2]), rate: one, progress: one };
    models.gan.files[player].noise.forEach(({ shape }, i) => (given[`noise/${i}`] = wave(shape)));
    losses.push((await gan.call(player, given))["metrics/loss"].data[0]);
  }
  return [losses, Object.entries(gan.state).map(([name, { data }]) => [name, Array.from(data)])];
}"""


def test_the_browser_computes_what_python_does(page, address):
    """Losses, optimizers and weights after an update of each player.

    Weights whose gradient is rounding alone are left out, since Adam takes its sign.
    """

    def fetch(path):
        with urllib.request.urlopen(address + path) as answer:
            return answer.read()

    losses, state = page.evaluate(UPDATES)
    entry = json.loads(fetch("manifest.json"))["models"]["gan"]
    want, at = read_state(entry, fetch("gan/begin-0.bin")), 0
    for player, loss in zip(entry["players"], losses, strict=True):
        file, one = entry["files"][player], np.array(1, np.float32)
        arrays = {**want, "rate": one, "progress": one}
        shapes = {"image": [entry["batch"], 1, 1, 2]}
        shapes |= {f"noise/{i}": noise["shape"] for i, noise in enumerate(file["noise"])}
        for name, shape in shapes.items():
            wave = np.sin(at + np.arange(np.prod(shape)))
            arrays[name] = wave.astype(np.float32).reshape(shape)
            at += wave.size
        outputs = run_session(open_session(fetch(f"gan/{player}.onnx")), file, arrays)
        want |= new_state(outputs)
        assert abs(outputs["metrics/loss"] - loss) < 1e-5
    n_compared = 0
    for name, values in state:
        close = np.ones(len(values), bool)
        if name.startswith("state/params/"):
            _, _, net, rest = name.split("/", 3)
            close = np.abs(want[f"state/opt/{net}/0/mu/{net}/{rest}"].ravel()) > 1e-6
            n_compared += close.sum()
        np.testing.assert_allclose(
            np.array(values)[close], want[name].ravel()[close], rtol=0, atol=1e-5, err_msg=name
        )
    assert n_compared > 10_000


def text(page, name):
    return page.locator(f"#{name}").text_content()


def steps(page):
    return int(text(page, "steps").replace(",", ""))


def picture(page):
    return page.evaluate("document.getElementById('stage').toDataURL()")


def wait_for_steps(page, n):
    page.wait_for_function(
        f"Number(document.getElementById('steps').textContent.replace(',', '')) >= {n}",
        timeout=60_000,
    )


def test_it_trains_pauses_and_takes_single_turns(page):
    """Samples move only while it trains; an update of G is a step, one of D is none."""
    before = picture(page)
    page.click("#run")
    wait_for_steps(page, 30)
    assert picture(page) != before and text(page, "run") == "Pause"
    page.click("#run")
    page.wait_for_timeout(500)
    rested, seen = steps(page), picture(page)
    page.wait_for_timeout(500)
    assert (steps(page), picture(page)) == (rested, seen)
    page.click("#players button:has-text('discriminator')")
    page.wait_for_timeout(500)
    assert steps(page) == rested and picture(page) != seen
    page.click("#players button:has-text('generator')")
    wait_for_steps(page, rested + 1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_settings_act_while_it_runs(page):
    """D's ratio and the learning rate follow their sliders; starting again starts from 0."""
    page.click("#run")
    wait_for_steps(page, 5)
    page.locator("#ratio").fill("10")
    page.locator("#rate").fill("1")
    assert text(page, "ratio-shown") == "10 to 1" and text(page, "rate-shown") == "0.010"
    before = steps(page)
    wait_for_steps(page, before + 5)
    page.click("#restart")
    page.wait_for_function(
        f"Number(document.getElementById('steps').textContent.replace(',', '')) < {before}"
    )


def test_a_drawing_is_learned_from(page):
    """Modes are drawn by keys and by the pointer, counted, and trained on by several generators."""
    page.select_option("#data", "drawn")
    page.focus("#stage")
    for key in ["ArrowRight"] * 4 + [" ", "ArrowUp", "ArrowUp", "ArrowUp", " ", "Backspace"]:
        page.keyboard.press(key)
    page.click("#stage", position={"x": 60, "y": 60})
    page.wait_for_function("document.getElementById('covered').textContent.endsWith('of 5')")
    page.select_option("#gan", "mgan8")
    page.wait_for_function(
        "document.getElementById('status').textContent === 'Ready.'", timeout=60_000
    )
    page.click("#run")
    wait_for_steps(page, 10)
    for box in ("show-slope", "show-manifold"):
        page.check(f"#{box}")
    wait_for_steps(page, steps(page) + 5)


def test_the_other_page_learns_pictures(page, address):
    """The classifier is right on all test images, its tiles say so, and the GAN's images change."""
    page.click("nav a[href='digits.html']")
    page.wait_for_function(
        "document.getElementById('painter-status').textContent === 'Ready.'", timeout=60_000
    )
    made = "document.getElementById('made').toDataURL()"
    before = page.evaluate(made)
    page.click("#learn")
    page.wait_for_function(
        "document.getElementById('accuracy').textContent === '100.0 %'", timeout=60_000
    )
    page.click("#learn")
    page.wait_for_function("document.querySelectorAll('#seen .right').length === 40")
    page.click("#paint")
    page.wait_for_function(
        "Number(document.getElementById('paint-steps').textContent) >= 5", timeout=60_000
    )
    assert page.evaluate(made) != before
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
