"""What the live page is given: programs that agree with JAX, weights to begin from, distributions; and what it adds itself."""

import json
import pathlib
import shutil
import subprocess

import jax
import numpy as np
import pytest

from gan_jax import images
from gan_jax.core.method import apply_net, make_context
from gan_jax.core.state import init_jitted
from gan_jax.data import toys
from gan_jax.metrics import point_scores
from gan_jax.onnx_export import toy_page, update_steps

WEB = pathlib.Path(toy_page.__file__).parent.parent / "web"


@pytest.fixture(scope="module")
def several():
    """(method with several generators and averages, its files, its entry)."""
    from tests.toys_small import small

    pytest.importorskip("jax2onnx")
    method = small("mgan")
    return method, *toy_page.export_method(method, 8, n_seeds=2)


def open_session(content):
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"])


def read_state(entry, content):
    """The state that a page makes of "begin-SEED.bin": {name: array}."""
    numbers, out, at = np.frombuffer(content, np.float32), {}, 0
    for leaf in entry["state"]:
        name, size = leaf["name"], int(np.prod(leaf["shape"]))
        if name.startswith(("state/params/", "state/stats/")):
            out[name] = numbers[at : at + size].reshape(leaf["shape"])
            at += size
        elif name.startswith("state/ema/"):
            _, _, net, kind, *rest = name.split("/")
            out[name] = out["/".join(["state", kind, net, *rest])]
        else:
            out[name] = np.zeros(leaf["shape"], leaf["type"])
    assert at == len(numbers)
    return out


def test_a_page_begins_where_a_run_does(several):
    """Its state is that of state.init_jitted, leaf by leaf, for every seed."""
    from gan_jax.onnx_export import exporter

    method, files, entry = several
    for seed in range(2):
        tree = {"state": update_steps.state_trees(init_jitted(method, seed))}
        want = dict(zip(exporter.leaf_paths(tree), jax.tree.leaves(tree), strict=True))
        made = read_state(entry, files[f"begin-{seed}.bin"])
        assert set(made) == set(want)
        assert all(
            np.array_equal(made[name], want[name]) and made[name].dtype == want[name].dtype
            for name in want
        )


def test_samples_and_surface(several):
    """Points in [-1, 1] as method.sample makes them of averaged weights; D's logits and their gradient."""
    method, files, entry = several
    state, r = init_jitted(method, 0), np.random.default_rng(0)
    arrays = read_state(entry, files["begin-0.bin"])
    z, given = (
        r.uniform(-1, 1, (toy_page.N_POINTS, 2)).astype(np.float32),
        (np.arange(toy_page.N_POINTS) % 3).astype(np.int32),
    )
    run = lambda name, more: open_session(files[f"{name}.onnx"]).run(
        list(entry["files"][name]["outputs"]),
        {k: {**arrays, **more}[k] for k in entry["files"][name]["inputs"]},
    )
    (made,) = run("sample", {"z": z, "given": given})
    want = images.from_net(
        method.sample(make_context(method), state.vars(True), z, given, None), "linear", points=True
    )
    np.testing.assert_allclose(made, np.asarray(want).reshape(-1, 2), atol=1e-5)

    at = r.uniform(-1, 1, (toy_page.GRID_SIDE**2, 2)).astype(np.float32)
    logit, slope = run("surface", {"at": at})
    score = lambda x: (
        apply_net(make_context(method), state.vars(), "disc", x.reshape(-1, 1, 1, 2), train=False)[0].logit
    )
    np.testing.assert_allclose(logit, score(at), atol=1e-5)
    np.testing.assert_allclose(slope, jax.grad(lambda x: score(x).sum())(at), atol=1e-5)


def test_what_the_entry_says(several):
    _, files, entry = several
    assert entry["players"] == ["disc", "gen"] and entry["kinds"] == 3 and not entry["critic"]
    assert entry["lr"] == pytest.approx({"disc": 1e-3, "gen": 1e-3}) and entry["to_net"] == {
        "scale": 1.0,
        "shift": 0.0,
    }
    assert set(files) == {f"{n}.onnx" for n in ("disc", "gen", "average", "sample", "surface")} | {
        "begin-0.bin",
        "begin-1.bin",
    }
    json.dumps(entry)


def test_distributions_are_the_toys():
    found = toy_page.distributions()
    assert set(found) == {"gaussians8", "gaussians25", "plus", "sine", "swissroll"}
    grid, roll = found["gaussians25"], found["swissroll"]
    assert (
        grid["modes"]
        and len(grid["centers"]) == 25
        and np.isclose(grid["radius"], 0.141421 / 4.25, rtol=1e-4)
    )
    real, _ = toys.sample_points(toys.TABLE["swissroll"], "train")
    real = real[:500] / toys.TABLE["swissroll"].scale
    nearest = np.linalg.norm(real[:, None] - np.array(roll["centers"]), axis=2).min(1)
    assert not roll["modes"] and nearest.max() < 6 * roll["sd"]


def node(script):
    """What a script in JavaScript prints as JSON."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    words = ["node", "--input-type=module", "-e", script]
    return json.loads(
        subprocess.run(words, cwd=WEB, capture_output=True, text=True, check=True).stdout
    )


def test_the_page_counts_modes_as_the_project_does():
    """The same points, counted in JavaScript and by metrics.points."""
    toy = toys.TABLE["plus"]
    made = toys.sample_points(toy, "test")[0][:400] * np.linspace(0.6, 1.02, 400)[:, None]
    want = point_scores.mode_coverage(made, toy)
    script = f"""
      import {{ coverage }} from "./data.js";
      const made = Float32Array.from({json.dumps((made / toy.scale).ravel().tolist())});
      console.log(JSON.stringify(coverage(made, {json.dumps(toy_page.distributions()["plus"])})));
    """
    found = node(script)
    assert found.pop("shares") == pytest.approx(want.counts / 400)
    assert 0 < want.covered.sum() < 13 and found == {
        "covered": int(want.covered.sum()),
        "registered": want.registered,
    }


def test_the_page_draws_what_it_says():
    """Moments of its noise, and of its points around one mode; a seed gives the same numbers again."""
    script = """
      import { Random, noise, points } from "./data.js";
      const n = 40000, one = { centers: [[0.5, -0.25]], sd: 0.1 };
      const stats = (x) => { const m = x.reduce((a, b) => a + b) / x.length;
        return [m, Math.sqrt(x.reduce((a, b) => a + (b - m) ** 2, 0) / x.length), Math.min(...x), Math.max(...x)]; };
      const p = points(new Random(2), one, n);
      console.log(JSON.stringify([
        stats(noise(new Random(1), { kind: "uniform", low: -1, high: 1 }, n)),
        stats(noise(new Random(1), { kind: "normal" }, n)),
        stats(p.filter((_, i) => i % 2 === 0)), stats(p.filter((_, i) => i % 2 === 1)),
        [new Random(3).uniform(), new Random(3).uniform(), new Random(4).uniform()]]));
    """
    uniform, normal, x, y, seeds = node(script)
    np.testing.assert_allclose(uniform, [0, 1 / np.sqrt(3), -1, 1], atol=0.01)
    np.testing.assert_allclose(normal[:2], [0, 1], atol=0.02)
    np.testing.assert_allclose([*x[:2], *y[:2]], [0.5, 0.1, -0.25, 0.1], atol=0.003)
    assert seeds[0] == seeds[1] != seeds[2]
