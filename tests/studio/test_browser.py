"""The pages in a real browser: launch, watch, stop, resume, sample, colorize, compare."""

import re
import shutil
import time
import urllib.parse

import pytest

from tests.studio.test_journey import serve  # noqa: F401 - a fixture

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]

PAGES = [
    "",
    "run/a",
    "run/study/b",
    "new",
    "try?run=a",
    "colorize",
    "compare",
    "learn/",
    "learn/collapse.html",
    "no/such/page",
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


class Page:
    """A page of a studio that notes what it asks for, and what its console complains of."""

    def __init__(self, browser, address, **options):
        self.address, self.requests, self.complaints = address, [], []
        self.page = browser.new_page(**options)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on(
            "console",
            lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path):
        self.page.goto(self.address + path)

    def until(self, condition, seconds=60):
        """Waits; the policy of the pages forbids what playwright would wait with."""
        end = time.monotonic() + seconds
        while not (found := condition(self.page)):
            assert time.monotonic() < end, (self.page.url, self.page.text_content("main"))
            self.page.wait_for_timeout(100)  # time.sleep would keep events from playwright
        return found

    def text(self, selector):
        return self.page.text_content(selector) or ""

    def strangers(self):
        """Requests that left the page's own origin."""
        own = urllib.parse.urlsplit(self.address).netloc
        return [
            url
            for url in self.requests
            if not url.startswith(("data:", "blob:")) and urllib.parse.urlsplit(url).netloc != own
        ]


def launch(page, flagfile, name, **flags):
    """Fills and sends the form of a new run."""
    page.go("new")
    page.until(lambda p: p.locator("#flagfile option").count() > 1)
    page.page.select_option("#experiment", flagfile.partition("_")[0])
    page.until(lambda p: p.locator(f"#flagfile option[value={flagfile}]").count())
    page.page.select_option("#flagfile", flagfile)
    for flag, value in flags.items():
        page.page.fill(f"#flag-{flag}", value)
    page.page.fill("#name", name)
    page.until(lambda p: f"/{name}" in page.text("#line"))
    page.page.click("#form button.main")
    page.until(lambda p: f"/run/{name}" in p.url)


def test_a_run_from_launch_to_comparison(browser, serve, tmp_path):  # noqa: F811
    studio = serve("--jobs=2")
    page = Page(browser, studio.address, viewport={"width": 1280, "height": 900})
    launch(page, "colorize_smoke", "coloured")
    launch(
        page,
        "morpho_smoke",
        "a",
        steps="3000",
        log_every="10",
        sample_every="100",
        save_every="500",
    )
    points = lambda p: len(
        (p.locator("#charts polyline").first.get_attribute("points") or "").split()
    )
    page.until(lambda p: p.locator("#charts polyline").count())
    before = points(page.page)
    page.until(lambda p: points(p) > before + 3)  # the curve grows
    page.until(
        lambda p: (
            p.is_visible("#grid")
            and p.evaluate("document.getElementById('grid').naturalWidth") > 100
        )
    )
    page.page.click("#actions button:has-text('Stop')")
    page.until(lambda p: "stopped" in page.text("#state"))
    at = page.text("#facts")
    page.page.click("#actions button:has-text('Resume')")
    page.until(lambda p: "running" in page.text("#state") and page.text("#facts") != at)
    page.until(lambda p: "finished" in page.text("#state"), 120)
    page.until(lambda p: p.get_attribute("#time", "max") == "29")  # 30 grids
    page.page.locator("#time").fill("3")
    assert "Step 400" in page.text("#grid-text") and "/grid/400/" in page.page.get_attribute(
        "#grid", "src"
    )

    page.page.click("#actions a:has-text('Try it')")
    page.until(lambda p: p.locator("#tiles button").count() == 36)
    page.page.locator("#tiles button").nth(4).click()
    page.page.click("#latent summary")
    one = page.page.get_attribute("#one", "src")
    page.page.locator("#sliders input").first.fill("-0.9")
    page.until(lambda p: p.get_attribute("#one", "src") != one)
    page.page.locator("#tiles button").nth(9).click()
    page.until(lambda p: p.get_attribute("#other", "src"))
    page.page.click("#near")
    page.until(lambda p: p.locator("#neighbours img").count() == 6)
    with page.page.expect_download() as saved:
        page.page.click("#npz")
    assert saved.value.suggested_filename == "a_3000_seed0.npz"

    page.go("colorize")
    page.until(lambda p: p.input_value("#run") == "coloured")
    picture = tmp_path / "picture.png"
    page.page.screenshot(path=picture)
    page.page.set_input_files("#file", picture)
    page.until(lambda p: p.locator("#three img").count() == 3)
    (tmp_path / "bad.png").write_text("no picture")
    page.page.set_input_files("#file", tmp_path / "bad.png")
    page.until(lambda p: "The picture cannot be" in page.text("#message"))

    page.go("")
    page.until(lambda p: p.locator("#runs tbody tr").count() == 2)
    for tick in page.page.locator("#runs input[type=checkbox]").all():
        tick.check()
    page.page.click("#compare")
    page.until(lambda p: p.is_visible("#page"))
    page.until(
        lambda p: "Training" in (p.frame_locator("#page").locator("body").text_content() or "")
    )
    assert page.strangers() == []
    assert [
        text for text in page.complaints if "400 (Bad Request)" not in text
    ] == []  # the bad picture, which the browser tells


@pytest.mark.parametrize("width, scheme", [(360, "light"), (1280, "dark"), (3840, "light")])
def test_pages_fit_their_window_and_are_reached_by_keyboard(
    browser,
    serve,  # noqa: F811
    make_run,
    tmp_path,
    width,
    scheme,
):
    rows = {"model": {"frechet": 1.5, "fractions": [0.9, 0.1]}}
    scored = {"classes": ["round", "spiral"], "real_fractions": [0.3, 0.7], "rows": rows}
    make_run(tmp_path / "root" / "a", 60, DONE="", console_log="x" * 300, eval_json=scored)
    make_run(tmp_path / "root" / "study" / ("b" * 80), config_json="{")
    make_run(tmp_path / "root" / "study" / "b")
    page = Page(
        browser, serve().address, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    for path in PAGES:
        page.go(path)
        page.page.wait_for_load_state("networkidle") if "run/" not in path else time.sleep(1)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.className") == "skip"
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.textContent") == "gan_jax"
    assert page.strangers() == []
    page.go("run/a")
    page.until(lambda p: p.locator("#bars rect").count() == 4)
    background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")


def test_fifty_pages_at_once(browser, serve):  # noqa: F811
    """50 pages, more than a browser's connections, all follow a run; the server stays small."""
    studio = serve()
    flags = {"steps": "1000000", "log_every": "20", "sample_every": "500", "save_every": "500"}
    studio.ask(
        "api/launch", {"name": "a", "experiment": "gan", "flagfile": "gan_smoke", "flags": flags}
    )
    studio.until("a", lambda run: run["step"] > 0, 600)
    before, context = studio.resident(), browser.new_context()
    pages = [Page(context, studio.address) for _ in range(50)]
    for page in pages:
        page.page.set_default_timeout(120_000)
        page.go("run/a")
    opened, step = time.monotonic(), studio.run("a")["step"]
    shown = lambda p: [
        int(n.replace(",", ""))
        for n in re.findall(r"step [\d,]+ to ([\d,]+)", p.text_content("#charts"))
    ]
    for page in pages:
        page.until(lambda p: max(shown(p), default=0) > step, 300)
        assert page.complaints == []
    took, after = time.monotonic() - opened, studio.resident()
    memory = f"{before / 1000:.0f} MB before and has {after / 1000:.0f} MB"
    print(f"50 pages followed within {took:.1f} s; the server had {memory}")
    assert after < 150_000
