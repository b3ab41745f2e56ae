"""The lessons in a browser. Toys need GAN_JAX_ORT, a folder with onnxruntime-web's dist files."""

import os

import pytest

from gan_jax.commands import export
from tests.studio.test_journey import serve  # noqa: F401 - a fixture

pytest.importorskip("playwright.sync_api")  # which the next import needs
from tests.studio.test_browser import CHROMIUM, Page, browser  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]
LESSONS = {
    "collapse": ("#shares", "#rate"),
    "losses": ("#losses", "#modes"),
    "penalties": ("#slopes", "#losses"),
}  # (shown, not)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder of two GANs."""
    runtime, out = os.environ.get("GAN_JAX_ORT"), tmp_path_factory.mktemp("exported")
    pytest.importorskip("jax2onnx")
    if not runtime:
        pytest.skip("GAN_JAX_ORT does not name a folder with onnxruntime-web's dist files")
    export.run(
        ["--page", "--systems=gan,mgan8", "--seeds=1", f"--runtime={runtime}", f"--out={out}"]
    )
    return out


def steps(page):
    """Steps that a toy has made."""
    return int(page.text_content("#steps").replace(",", ""))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_toys_train_beside_their_text(browser, serve, exported, scheme):  # noqa: F811
    """In a narrow window; each shows only what its text is about; no request leaves the studio."""
    page = Page(
        browser,
        serve(f"--page={exported}").address,
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
    )
    for name, (shown, hidden) in LESSONS.items():
        page.go(f"learn/{name}.html")
        page.until(lambda p: p.locator("#status").count() and p.text_content("#status") == "Ready.")
        assert (
            page.page.is_visible(shown)
            and page.page.locator(hidden).count()
            and not page.page.is_visible(hidden)
        )
        picture = "document.getElementById('stage').toDataURL()"
        before = page.page.evaluate(picture)
        page.page.locator("[data-try]").first.click()
        page.until(lambda p: steps(p) >= 10)
        assert page.page.evaluate(picture) != before and page.text("#run") == "Pause"
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.page.locator(".bar a[aria-current]").text_content() == "Learn"
    page.page.locator("[data-try*=dragan]").click()
    page.until(lambda p: "no dragan" in p.text_content("#status"))
    assert page.strangers() == [] and page.complaints == []


def test_knobs_of_a_suggestion(browser, serve, exported):  # noqa: F811
    """A suggestion sets learning rate, ratio and what is shown, and the next one sets them back."""
    page = Page(browser, serve(f"--page={exported}").address)
    page.go("learn/losses.html")
    page.until(lambda p: p.locator("#status").count() and p.text_content("#status") == "Ready.")
    page.page.click("[data-try*='ratio=10']")
    assert page.text("#ratio-shown") == "10 to 1" and page.text("#rate-shown") == "0.0010"
    page.page.click("[data-try*='rate=10']:not([data-try*='ratio'])")
    assert page.text("#ratio-shown") == "1 to 1" and page.text("#rate-shown") == "0.010"
    assert page.page.is_checked("#show-surface") and not page.page.is_checked("#show-slope")
    assert page.page.is_visible("#even")
    page.go("learn/collapse.html")
    page.until(lambda p: p.locator("#status").count() and p.text_content("#status") == "Ready.")
    page.page.click("[data-try*=mgan8]")
    page.until(lambda p: steps(p) >= 5)
    assert not page.page.is_visible("#even")


def test_plot_controls_and_curves_are_in_one_view(browser, serve, exported):  # noqa: F811
    """In a window of 1280 x 900, also after the text was scrolled."""
    size = {"width": 1280, "height": 900}
    page = Page(browser, serve(f"--page={exported}").address, viewport=size)
    for name, (shown, _) in LESSONS.items():
        page.go(f"learn/{name}.html")
        page.until(lambda p: p.locator("#status").count() and p.text_content("#status") == "Ready.")
        for y in (0, 300):
            page.page.evaluate(f"scrollTo(0, {y})")
            for selector in ("#stage", "#run", "#covered", shown):
                box = page.page.locator(selector).bounding_box()
                assert box["y"] >= 0 and box["y"] + box["height"] <= 900, (name, selector, y)
    page.go("learn/index.html")
    page.until(lambda p: p.locator("#status").count() and p.text_content("#status") == "Ready.")
    for selector in ("#stage", "#run", "#ratio", "#steps"):
        box = page.page.locator(selector).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, selector


def test_without_an_export_the_text_says_why(browser, serve, tmp_path):  # noqa: F811
    page = Page(
        browser,
        serve(f"--page={tmp_path / 'none'}").address,
        viewport={"width": 360, "height": 740},
    )
    for name in LESSONS:
        page.go(f"learn/{name}.html")
        page.until(
            lambda p: (
                p.locator("#status").count()
                and f"export --page --out={tmp_path / 'none'}" in p.text_content("#status")
            )
        )
        assert page.page.is_visible("article h2")
        assert not page.page.is_visible("#run") and not page.page.is_visible("#stage")
        assert page.page.locator("[data-try]:not(:disabled)").count() == 0
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 360
    page.go("learn/digits.html")
    page.until(lambda p: "export --page" in p.text_content("#learner-status"))
    assert not page.page.is_visible("#learn") and not page.page.is_visible("#paint")
    assert page.strangers() == []
