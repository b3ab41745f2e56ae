"""The live page in a browser: GAN_JAX_ORT names a folder with onnxruntime-web's dist files; Chromium and playwright."""

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
    """A narrow window, at the page; afterwards: nothing was asked of another server, and nothing went wrong."""
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not chromium:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 360, "height": 700})
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.goto(f"{address}#gan=gan&data=gaussians8")
        page.wait_for_function(
            "document.getElementById('status').textContent === 'Ready.'", timeout=60_000
        )
        yield page
        browser.close()
    assert not wrong
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


TURNS = """async () => {
  const { Trainer, Tensor } = await import("./trainer.js");
  const { models } = await (await fetch("manifest.json")).json();
  const gan = await Trainer.load("gan", models.gan, null);
  gan.reset(0);
  let at = 0;
  const wave = (shape) => new Tensor("float32", Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) },
    () => Math.sin(at++)), shape);
  const one = new Tensor("float32", Float32Array.of(1), []), losses = [];
  for (const player of models.gan.players) {
    const given = { image: wave([models.gan.batch, 1, 1, 2]), rate: one, progress: one };
    models.gan.files[player].noise.forEach(({ shape }, i) => (given[`noise/${i}`] = wave(shape)));
    losses.push((await gan.call(player, given))["metrics/loss"].data[0]);
  }
  return [losses, Object.entries(gan.state).map(([name, { data }]) => [name, Array.from(data)])];
}"""


def test_the_browser_computes_what_python_does(page, address):
    """Losses, gradients' means and weights after a turn of each player, on given points and noise; but for weights whose
    gradient is rounding alone, of which Adam takes the sign."""
    from tests.onnx_export.test_toy_page import open_session, read_state

    def fetched(path):
        with urllib.request.urlopen(address + path) as answer:
            return answer.read()

    losses, state = page.evaluate(TURNS)
    entry = json.loads(fetched("manifest.json"))["models"]["gan"]
    want, at = read_state(entry, fetched("gan/begin-0.bin")), 0
    for player, loss in zip(entry["players"], losses, strict=True):
        spec, given = entry["files"][player], {"rate": np.float32(1), "progress": np.float32(1)}
        shapes = {"image": [entry["batch"], 1, 1, 2]} | {
            f"noise/{i}": n["shape"] for i, n in enumerate(spec["noise"])
        }
        for name, shape in shapes.items():
            given[name] = np.sin(at + np.arange(np.prod(shape))).astype(np.float32).reshape(shape)
            at += given[name].size
        given = {k: np.asarray({**want, **given}[k]) for k in spec["inputs"]}
        out = dict(
            zip(
                spec["outputs"],
                open_session(fetched(f"gan/{player}.onnx")).run(None, given),
                strict=True,
            )
        )
        want |= {k.removeprefix("new/"): v for k, v in out.items() if "state/" in k}
        assert abs(out["metrics/loss"] - loss) < 1e-5
    seen = 0
    for name, values in state:
        close = np.ones(len(values), bool)
        if name.startswith("state/params/"):
            _, _, net, rest = name.split("/", 3)
            close = np.abs(want[f"state/opt/{net}/0/mu/{net}/{rest}"].ravel()) > 1e-6
            seen += close.sum()
        np.testing.assert_allclose(
            np.array(values)[close], want[name].ravel()[close], rtol=0, atol=1e-5, err_msg=name
        )
    assert seen > 10_000


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
    page.wait_for_function(
        f"Number(document.getElementById('steps').textContent.replace(',', '')) < {before}"
    )


def test_a_drawing_is_learned_from(page):
    """Modes are put by keys and by the pointer, counted, and trained on; several generators follow."""
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
    """The classifier is right on all test pictures, its tiles say so, and the GAN's pictures change."""
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
