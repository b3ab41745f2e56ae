"""The pages in a real browser: launch, watch, stop, resume, sample, colorize, compare."""

import json
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
    "sweep",
    "sweep/grid",
    "bin",
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
    page.until(lambda p: p.locator("#flagfiles input").count() > 1)
    page.page.select_option("#experiment", flagfile.partition("_")[0])
    page.until(lambda p: p.locator(f"#flagfiles input[value={flagfile}]").count())
    page.page.check(f"#flagfiles input[value={flagfile}]")
    for flag, value in flags.items():
        page.page.fill(f"#flag-{flag}", value)
    page.page.fill("#name", name)
    page.until(lambda p: f"/{name}" in page.text("#line"))
    page.page.click("#form button.main")
    page.until(lambda p: f"/run/{name}" in p.url, 120)


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
    page.page.click("#main-actions button:has-text('Stop')")
    page.until(lambda p: "stopped" in page.text("#state"))
    at = page.text("#facts")
    page.page.click("#main-actions button:has-text('Resume')")
    page.until(lambda p: "running" in page.text("#state") and page.text("#facts") != at)
    page.until(lambda p: "finished" in page.text("#state"), 120)
    page.until(lambda p: p.get_attribute("#time", "max") == "29")  # 30 grids
    page.page.locator("#time").fill("3")
    assert "Step 400" in page.text("#grid-text") and "/grid/400/" in page.page.get_attribute(
        "#grid", "src"
    )

    page.page.click("#main-actions a:has-text('Try it')")
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
    make_run(tmp_path / "root" / "grid" / "lr-1_0")
    outcome = {"code": 2, "reason": "--lr=-1 is too small", "words": [], "scored": None}
    (tmp_path / "root" / "grid" / "sweep.json").write_text(json.dumps({"lr--1_0": outcome}))
    page = Page(
        browser, serve().address, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    for path in PAGES:
        page.go(path)
        page.page.wait_for_load_state("networkidle") if "run/" not in path else time.sleep(1)
        page.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.className") == "skip"
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.textContent") == "gan_jax"
    assert page.strangers() == []
    page.go("run/a")
    page.until(lambda p: p.locator("#bars rect").count() == 4)
    page.go("sweep")
    page.until(lambda p: p.locator(".axis-row input").count() == 2)
    boxes = [page.page.locator(".axis-row input").nth(i).bounding_box() for i in range(2)]
    assert min(box["width"] for box in boxes) > 200, boxes
    background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")


def test_a_refusal_stands_beside_its_field_and_leaves_no_run(browser, serve, tmp_path):  # noqa: F811
    """Also where the field is folded away, and where only the command itself can refuse."""
    page = Page(browser, serve().address, viewport={"width": 1280, "height": 900})
    page.go("new")
    page.until(lambda p: p.locator("#flagfiles input[value=morpho_smoke]").count())
    page.page.check("#flagfiles input[value=morpho_smoke]")
    page.page.fill("#flag-data", "folder:/no/such/folder")
    page.page.evaluate("document.getElementById('flag-lambda_p').value = '-3'")
    page.page.dispatch_event("#flag-lambda_p", "input")
    page.until(lambda p: "--lambda_p=-3" in page.text("#error-lambda_p"))
    page.page.fill("#name", "bad")
    page.page.evaluate("document.getElementById('flag-lambda_p').value = '1'")
    page.page.dispatch_event("#flag-lambda_p", "input")
    page.page.click("#form button.main")
    page.until(lambda p: "/no/such/folder" in page.text("#error-data"))
    assert page.page.evaluate("document.activeElement.id") == "flag-data"
    assert page.page.is_visible("#error-data") and "bad" not in str([*tmp_path.rglob("*")])
    page.page.fill("#flag-data", "galaxies:64")
    assert page.text("#error-data") == ""
    for name in ("", "a b", "../a"):
        page.page.fill("#name", name)
        page.page.click("#form button.main")
        page.until(lambda p: "A run's name has letters" in page.text("#error-run"))
    page.page.fill("#name", "good")
    page.page.click("#data")
    page.until(lambda p: page.text("#output").startswith("Verdict: training would accept"))
    assert "images        64" in page.text("#output")


def test_tidying_up(browser, serve, make_run, tmp_path):  # noqa: F811
    """Tags, archive, deletion and its undoing, on a phone."""
    for name in "ab":
        make_run(tmp_path / "root" / name, DONE="")
    page = Page(browser, serve().address, viewport={"width": 390, "height": 844})
    names = lambda p: p.locator("#runs .name").all_text_contents()
    page.go("")
    page.until(lambda p: sorted(names(p)) == ["a", "b"])
    page.page.check("input[aria-label='choose a']")
    page.page.fill("#new-tag", "keep")
    page.page.click("#tag button")
    page.until(lambda p: "keep" in page.text("#runs"))
    page.page.click("#archive")
    page.until(lambda p: names(p) == ["b"])
    page.page.select_option("#show", "archived")
    page.until(lambda p: names(p) == ["a"])
    page.page.click("#delete")
    page.until(lambda p: "in the bin" in page.text("#message"))
    assert not (tmp_path / "root" / "a").exists()
    box = page.page.locator("#message").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 844
    page.page.click("#message button")
    page.until(lambda p: (tmp_path / "root" / "a" / "DONE").exists())
    page.go("run/b")
    page.page.click("#describe summary")
    page.page.fill("#note-title", "The best")
    page.page.fill("#notes", "lr was right")
    page.page.click("#notes-form button")
    page.until(lambda p: page.text("#title") == "The best")
    page.page.click("#delete")
    page.until(lambda p: not (tmp_path / "root" / "b").exists())
    page.go("bin")
    page.page.click("button:has-text('Restore')")
    page.until(lambda p: (tmp_path / "root" / "b" / "notes.json").exists())
    assert page.complaints == []


def test_a_sweep_from_its_form_to_its_page(browser, serve):  # noqa: F811
    page = Page(browser, serve("--jobs=2").address, viewport={"width": 1280, "height": 900})
    page.go("sweep")
    page.until(lambda p: p.locator("#flagfiles input").count())
    page.page.select_option("#experiment", "dcgan")
    page.until(lambda p: p.locator("#flagfiles input[value=ablate_smoke]").count())
    page.page.check("#flagfiles input[value=ablate_smoke]")
    page.page.fill("#name", "grid")
    page.page.fill("#flag-seeds", "1")
    row = page.page.locator(".axis-row input")
    row.nth(0).fill("lr")
    row.nth(1).fill("1e-3, 2e-3")
    page.until(lambda p: "--vary=lr=1e-3,2e-3" in page.text("#line").replace("'", ""))
    assert "2 configurations times 1 seeds" in page.text("#count")
    page.page.click("#form button.main")
    page.until(lambda p: "/sweep/grid" in p.url, 180)
    page.until(lambda p: "finished" in page.text("#state"), 300)
    assert "wasserstein" in page.text("#absent") and "refused" in page.text("#absent")
    assert "diverged" in page.text("#runs") and "Frechet" in page.text("#text")
    page.until(lambda p: p.is_visible("#page"))
    page.go("")
    page.until(lambda p: p.locator("#runs tr.sweep").count() == 1)
    page.page.click(".open")
    page.until(lambda p: p.locator("#runs tr.part").count() == 5)
    assert page.strangers() == [] and page.complaints == []


def test_an_evaluation_from_its_button_to_its_scores(browser, serve):  # noqa: F811
    studio = serve()
    flags = {"steps": "40", "save_every": "20"}
    body = {"name": "a", "experiment": "gan", "flagfile": "gan_smoke"}
    studio.ask("api/launch", body | {"flags": flags | {"data": "galaxies:256"}})
    studio.until("a", lambda run: run["state"] == "finished")
    page = Page(browser, studio.address, viewport={"width": 1280, "height": 900})
    page.go("run/a")
    page.page.click("#main-actions button:has-text('Evaluate')")
    page.until(lambda p: p.is_visible("#flag-n_images"))
    page.page.fill("#flag-n_images", "1")
    page.page.click("#scoring-form button.main")
    page.until(lambda p: "too small" in page.text("#error-n_images"))
    page.page.fill("#flag-n_images", "100")
    page.page.fill("#flag-repeats", "1")
    page.page.click("#scoring-fields summary")
    page.page.fill("#flag-scores", "frechet,classes")
    page.page.click("#scoring-form button.main")
    page.until(lambda p: "evaluation" in page.text("#scoring"))
    page.until(lambda p: p.locator("#score-cards .score").count() > 2, 240)
    assert "real (floor)" in page.text("#score-cards") and "untrained" in page.text("#score-cards")
    assert "ower is better." in page.text("#score-cards") and page.text("#verdict")
    page.page.evaluate("document.getElementById('log-scale').click()")
    page.page.fill("#first", "20")
    page.page.dispatch_event("#first", "change")
    page.until(lambda p: not p.is_disabled("#unzoom"))
    assert page.strangers() == []
    assert [text for text in page.complaints if "400 (Bad Request)" not in text] == []


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
        int(n.replace(",", "")) for n in re.findall(r"step ([\d,]+) of", p.text_content("#facts"))
    ]
    for page in pages:
        page.until(lambda p: max(shown(p), default=0) > step, 300)
        assert page.complaints == []
    took, after = time.monotonic() - opened, studio.resident()
    memory = f"{before / 1000:.0f} MB before and has {after / 1000:.0f} MB"
    print(f"50 pages followed within {took:.1f} s; the server had {memory}")
    assert after < 150_000
