"""Export for the live page, and what its JavaScript adds: noise, points, mode coverage."""

import json
import shutil
import subprocess

import jax
import numpy as np
import pytest

from gan_jax import images, web
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import apply_net, make_context
from gan_jax.data import toys
from gan_jax.metrics import point_scores
from gan_jax.onnx_export import toy_page, update_steps
from tests.onnx_export.onnx_files import named_leaves, open_session, read_state, run_session
from tests.toys_small import small


@pytest.fixture(scope="module")
def exported():
    """(Method with several generators and averages, its files, its entry)."""
    pytest.importorskip("jax2onnx")
    method = small("mgan")
    return method, *toy_page.export_method(method, 8, n_seeds=2)


def test_a_page_begins_where_a_run_does(exported):
    """Its state is that of state.init_jitted, leaf by leaf, for every seed."""
    method, files, entry = exported
    for seed in range(2):
        want = named_leaves(update_steps.state_trees(init_jitted(method, seed)))
        state = read_state(entry, files[f"begin-{seed}.bin"])
        assert set(state) == set(want)
        for name, leaf in state.items():
            assert np.array_equal(leaf, want[name]) and leaf.dtype == want[name].dtype, name


def test_samples_and_surface(exported):
    """Points are Method.sample's of averaged weights; D's logits come with their gradient."""
    method, files, entry = exported
    state, ctx = init_jitted(method, 0), make_context(method)
    arrays, r = read_state(entry, files["begin-0.bin"]), np.random.default_rng(0)

    def run(name, **further):
        session = open_session(files[f"{name}.onnx"])
        return run_session(session, entry["files"][name], arrays | further)

    z = r.uniform(-1, 1, (toy_page.N_POINTS, 2)).astype(np.float32)
    given = (np.arange(toy_page.N_POINTS) % 3).astype(np.int32)
    points = run("sample", z=z, given=given)["points"]
    image = method.sample(ctx, state.vars(True), z, given, jax.random.key(0))
    want = images.from_net(image, "linear", points=True)
    np.testing.assert_allclose(points, np.asarray(want).reshape(-1, 2), atol=1e-5)

    def logit(at):
        x = at.reshape(-1, 1, 1, 2)
        return apply_net(ctx, state.vars(), "disc", x, train=False)[0].logit

    at = r.uniform(-1, 1, (toy_page.GRID_SIDE**2, 2)).astype(np.float32)
    surface = run("surface", at=at)
    np.testing.assert_allclose(surface["logit"], logit(at), atol=1e-5)
    slope = jax.grad(lambda x: logit(x).sum())(at)
    np.testing.assert_allclose(surface["slope"], slope, atol=1e-5)


def test_the_entry_in_the_manifest(exported):
    _, files, entry = exported
    assert entry["players"] == ["disc", "gen"] and entry["kinds"] == 3 and not entry["critic"]
    assert entry["lr"] == pytest.approx({"disc": 1e-3, "gen": 1e-3})
    assert entry["to_net"] == {"scale": 1.0, "shift": 0.0}
    names = ("disc", "gen", "average", "sample", "surface")
    assert set(files) == {f"{n}.onnx" for n in names} | {"begin-0.bin", "begin-1.bin"}
    json.dumps(entry)


def test_distributions_are_the_toys():
    described = toy_page.distributions()
    assert set(described) == {"gaussians8", "gaussians25", "plus", "sine", "swissroll"}
    grid, roll = described["gaussians25"], described["swissroll"]
    assert grid["modes"] and len(grid["centers"]) == 25
    assert np.isclose(grid["radius"], 0.141421 / 4.25, rtol=1e-4)
    toy = toys.TABLE["swissroll"]
    real = toys.sample_points(toy, "train")[0][:500] / toy.scale
    nearest = np.linalg.norm(real[:, None] - np.array(roll["centers"]), axis=2).min(1)
    assert not roll["modes"] and nearest.max() < 6 * roll["sd"]


def run_node(script):
    """Return what a script in JavaScript prints as JSON."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    words = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(words, cwd=web.ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_page_counts_modes_as_the_project_does():
    """The coverage of the same points, in JavaScript and by metrics.point_scores."""
    toy = toys.TABLE["plus"]
    points = toys.sample_points(toy, "test")[0][:400] * np.linspace(0.6, 1.02, 400)[:, None]
    want = point_scores.mode_coverage(points, toy)
    script = f"""
      import {{ modeCoverage }} from "./data.js";
      const points = Float32Array.from({json.dumps((points / toy.scale).ravel().tolist())});
      const distribution = {json.dumps(toy_page.distributions()["plus"])};
      console.log(JSON.stringify(modeCoverage(points, distribution)));
    """
    coverage = run_node(script)
    assert coverage.pop("shares") == pytest.approx(want.counts / 400)
    assert 0 < want.covered.sum() < 13
    assert coverage == {"covered": int(want.covered.sum()), "registered": want.registered}


def test_the_page_draws_what_it_says():
    """Moments of its noise, and of its points around one mode; seeds are reproducible."""
    script = """
      import { Random, sampleNoise, samplePoints } from "./data.js";
      const n = 40000, one = { centers: [[0.5, -0.25]], sd: 0.1 };
      const mean = (x) => x.reduce((a, b) => a + b) / x.length;
      const stats = (x) => {
        const m = mean(x);
        return [m, Math.sqrt(mean(x.map((v) => (v - m) ** 2))), Math.min(...x), Math.max(...x)];
      };
      const p = samplePoints(new Random(2), one, n);
      console.log(JSON.stringify([
        stats(sampleNoise(new Random(1), { kind: "uniform", low: -1, high: 1 }, n)),
        stats(sampleNoise(new Random(1), { kind: "normal" }, n)),
        stats(p.filter((_, i) => i % 2 === 0)),
        stats(p.filter((_, i) => i % 2 === 1)),
        [new Random(3).uniform(), new Random(3).uniform(), new Random(4).uniform()],
      ]));
    """
    uniform, normal, x, y, seeds = run_node(script)
    np.testing.assert_allclose(uniform, [0, 1 / np.sqrt(3), -1, 1], atol=0.01)
    np.testing.assert_allclose(normal[:2], [0, 1], atol=0.02)
    np.testing.assert_allclose([*x[:2], *y[:2]], [0.5, 0.1, -0.25, 0.1], atol=0.003)
    assert seeds[0] == seeds[1] != seeds[2]
