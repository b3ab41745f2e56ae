"""Scripts and styles of the pages: contrast, and the arithmetic of the charts."""

import json
import re
import shutil
import subprocess

import pytest

from gan_jax import web
from tests.paths import ROOT

STATIC = ROOT / "gan_jax" / "studio" / "static"
MIN_CONTRAST = 4.5  # of text, see WCAG 2.1, 1.4.3
STYLES = {"studio": STATIC / "style.css", "lessons": web.ROOT / "live.css"}
# Variables that colour text, and those that lie behind it.
TEXTS = ("fg", "soft", "mark", "bad", "odd", "good", "right", "wrong", *(f"c{i}" for i in range(5)))
GROUNDS = ("bg", "card", "tint")


def schemes(css):
    """{"light", "dark": {variable: (r, g, b)}} of a style sheet."""
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    read = lambda text: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", text))
    return {"light": read(light), "dark": {**read(light), **read(dark)}}


def luminance(color):
    digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
    values = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_legends_are_read_on_every_ground(name, scheme):
    colors = schemes(STYLES[name].read_text())[scheme]
    pairs = [(t, g) for t in TEXTS for g in GROUNDS if t in colors and g in colors]
    assert len(pairs) > 8 and contrast("#000000", "#ffffff") == pytest.approx(21)
    low = {pair: round(contrast(*(colors[p] for p in pair)), 2) for pair in pairs}
    assert {pair: value for pair, value in low.items() if value < MIN_CONTRAST} == {}
    assert contrast(colors["on-mark"], colors["mark"]) >= MIN_CONTRAST


def test_colours_of_text_are_variables():
    """So that the test above sees all of them."""
    for path in STYLES.values():
        body = re.sub(r":root \{.*?\}", "", path.read_text(), flags=re.DOTALL)
        assert re.findall(r"(?<![-\w])color: #\w+", body) == []


SHORT = """
import { shortData } from "./common.js";
console.log(JSON.stringify(process.argv.slice(2).map(shortData)));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_long_paths_of_data_are_shortened(tmp_path):
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(STATIC / "common.js", tmp_path)
    (tmp_path / "run.js").write_text(SHORT)
    expected = {
        "folder:/home/me/my pictures/cats": "folder:…/my pictures/cats",
        "folder:/home/me/cats/": "folder:…/me/cats/",
        "shard:1/10/0:idx:/home/me/data/mnist": "shard:1/10/0:idx:…/data/mnist",
        **{spec: spec for spec in ("galaxies:100", "idx:data/mnist", "folder:/a/b", "an array")},
    }
    done = subprocess.run(["node", "run.js", *expected], cwd=tmp_path, capture_output=True)
    assert json.loads(done.stdout) == list(expected.values())


AXES = """
import { healthyBand, linearTicks, logTicks, valueRange } from "./axes.js";
const decay = [802, 3, 2, 1.5, 1.4];
const noisy = Array.from({ length: 100 }, (_, i) => Math.sin(i));
console.log(JSON.stringify({
  cut: valueRange(decay, { clip: true }),
  whole: valueRange(decay),
  log: valueRange(decay, { clip: true, isLog: true }),
  even: valueRange(noisy, { clip: true }),
  flat: valueRange([2, 2], { clip: true }),
  linear: linearTicks(0.03, 1.02, 5),
  steps: linearTicks(0, 7, 20, true),
  decades: logTicks(0.5, 2e6),
  near: logTicks(1, 9),
  nearer: logTicks(0.9, 1.6),
  best: healthyBand({ bounds: [0.5, null], unit: "best" }, [3, 0.2, 0.9], 1),
  median: healthyBand({ bounds: [0.001, 30], unit: "median" }, [1, 2, 9], 0),
  unknown: healthyBand({ bounds: [0, 1], unit: "new" }, [1], 0),
  early: healthyBand(undefined, [1], 0),
}, (_, v) => (v === Infinity ? "inf" : v)));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_a_first_extreme_does_not_flatten_a_chart(tmp_path):
    """The range is that of the other values; ticks are round; bands are as rundir.health has."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(STATIC / "axes.js", tmp_path)
    (tmp_path / "run.js").write_text(AXES)
    done = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["cut"]["isCut"] and found["cut"]["high"] < 10
    assert not found["whole"]["isCut"] and found["whole"]["high"] > 802
    assert not found["log"]["isCut"] and found["log"]["low"] > 0 and found["log"]["high"] > 802
    assert not found["even"]["isCut"] and found["even"]["high"] >= 1
    assert found["flat"]["low"] < 2 < found["flat"]["high"]
    assert found["linear"] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found["steps"] == list(range(8))
    assert found["decades"] == [10**i for i in range(0, 7, 2)]
    assert found["near"] == [1, 2, 5] and len(found["nearer"]) >= 3
    assert found["best"] == [pytest.approx(0.45), "inf"]
    assert found["median"] == [pytest.approx(0.002), 60]
    assert found["unknown"] is None and found["early"] is None
