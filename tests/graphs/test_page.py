"""The live page in a browser: GAN_JAX_ORT names a folder with onnxruntime-web's dist files; Chromium and playwright."""

import functools
import http.server
import os
import shutil
import threading

import numpy as np
import pytest

from experiments import export

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
    np.savez(path, images=images[:300], labels=labels[:300], test_images=images[300:], test_labels=labels[300:])


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A static server of the page, with one GAN in it."""
    runtime, out = os.environ.get("GAN_JAX_ORT"), tmp_path_factory.mktemp("page")
    bars(out / "bars.npz")
    if not runtime:
        pytest.skip("GAN_JAX_ORT does not name a folder with onnxruntime-web's dist files")
    words = ["--page", "--systems=gan,mgan8", "--seeds=2", f"--digits=npz:{out / 'bars.npz'}"]
    export.run([*words, f"--runtime={runtime}", f"--out={out}"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=out))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def page(address):
    """A narrow window, at the page; afterwards: nothing was asked of another server, and nothing went wrong."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 360, "height": 700})
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"{address}#gan=gan&data=gaussians8")
        page.wait_for_function("document.getElementById('status').textContent === 'Ready.'", timeout=60_000)
        yield page
        browser.close()
    assert not wrong
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def text(page, name):
    return page.locator(f"#{name}").text_content()


def steps(page):
    return int(text(page, "steps").replace(",", ""))


def picture(page):
    return page.evaluate("document.getElementById('stage').toDataURL()")


def wait_for_steps(page, n):
    page.wait_for_function(f"Number(document.getElementById('steps').textContent.replace(',', '')) >= {n}", timeout=60_000)


def test_it_trains_pauses_and_takes_single_turns(page):
    """Samples move while it trains and rest while it does not; a turn of G is a step, one of D is none."""
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
    """More turns of D make fewer steps; the shown learning rate follows its slider; starting again starts from 0."""
    page.click("#run")
    wait_for_steps(page, 5)
    page.locator("#ratio").fill("10")
    page.locator("#rate").fill("1")
    assert text(page, "ratio-shown") == "10 to 1" and text(page, "rate-shown") == "0.010"
    before = steps(page)
    wait_for_steps(page, before + 5)
    page.click("#restart")
    page.wait_for_function(f"Number(document.getElementById('steps').textContent.replace(',', '')) < {before}")


def test_a_drawing_is_learned_from(page):
    """Modes are put by keys and by the pointer, counted, and trained on; several generators follow."""
    page.select_option("#data", "drawn")
    page.focus("#stage")
    for key in ["ArrowRight"] * 4 + [" ", "ArrowUp", "ArrowUp", "ArrowUp", " ", "Backspace"]:
        page.keyboard.press(key)
    page.click("#stage", position={"x": 60, "y": 60})
    page.wait_for_function("document.getElementById('covered').textContent.endsWith('of 5')")
    page.select_option("#gan", "mgan8")
    page.wait_for_function("document.getElementById('status').textContent === 'Ready.'", timeout=60_000)
    page.click("#run")
    wait_for_steps(page, 10)
    for box in ("show-slope", "show-manifold"):
        page.check(f"#{box}")
    wait_for_steps(page, steps(page) + 5)


def test_the_other_page_learns_pictures(page, address):
    """The classifier is right on all test pictures, its tiles say so, and the GAN's pictures change."""
    page.click("#more a")
    page.wait_for_function("document.getElementById('painter-status').textContent === 'Ready.'", timeout=60_000)
    made = "document.getElementById('made').toDataURL()"
    before = page.evaluate(made)
    page.click("#learn")
    page.wait_for_function("document.getElementById('accuracy').textContent === '100.0 %'", timeout=60_000)
    page.click("#learn")
    page.wait_for_function("document.querySelectorAll('#seen .right').length === 40")
    page.click("#paint")
    page.wait_for_function("Number(document.getElementById('paint-steps').textContent) >= 5", timeout=60_000)
    assert page.evaluate(made) != before
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
