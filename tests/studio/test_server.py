"""Routes: what is answered, and that no request breaks the server or leaves the root."""

import random
import shutil
import string
import urllib.parse

import pytest

from gan_jax.errors import InputError

pytest.importorskip("starlette")
serving = pytest.importorskip("gan_jax.studio.serving")

from gan_jax.studio import request_utils  # noqa: E402 - needs starlette

JSON = {"content-type": "application/json"}
HOSTILE_NAMES = [
    "../secret",
    "..",
    "/etc/passwd",
    "run/../../secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "run%00",
    "run/samples",
    "link",
    "run/config.json",
    "\\..\\secret",
    "C:\\x",
    "run%0a",
    "~",
    "",
    "ü",
    "x" * 3000,
]


def paths(method):
    """All addresses that take an HTTP method, with placeholders for their parameters."""
    return [route.path for route in [*serving.PAGES, *serving.API] if method in route.methods]


def studio_of(client):
    """The shared state of the client's application."""
    return client.app.app.state.studio


def test_pages_show_and_say_what_they_may_do(client):
    for path in (*serving.NAVIGATION, "/run/run", "/run/study/two"):
        page = client.get(path)
        assert page.status_code == 200 and page.text.startswith("<!doctype html>")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy
        # WebAssembly runs in the lessons alone.
        assert ("'wasm-unsafe-eval'" in policy) == (path == serving.LESSONS)
        assert policy.count("unsafe") <= 1
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "://" not in page.text.replace("http://www.w3.org", "")  # nothing from elsewhere
        assert all(f'<a href="{address}"' in page.text for address in serving.NAVIGATION)
        assert "style=" not in page.text and "<script>" not in page.text


def test_runs_their_curves_and_grids_are_answered(client):
    runs = client.get("/api/runs").json()["runs"]
    states = {run["name"]: run["state"] for run in runs}
    assert states == {"run": "stopped", "study/two": "finished", "bad": "unreadable"}
    curves = client.get("/api/curves/study/two").json()["curves"]
    assert curves["disc/loss"]["steps"] == [10, 20, 30, 40, 50]
    run = client.get("/api/run/run").json()
    assert run["console"] == "hello\n" and run["samples"] == [10, 77]
    assert run["config"]["run"]["steps"] == 1000
    assert run["meeting"]["level"] == 0.5 and "0.5" in run["meeting"]["text"]
    assert client.get("/grid/10/run").content.startswith(b"\x89PNG")


@pytest.mark.long
def test_experiments_are_described_and_a_form_becomes_a_command_line(client, root):
    assert "morpho" in client.get("/api/experiments").json()
    assert "morpho_smoke" in client.get("/api/experiment/morpho").json()["flagfiles"]
    form = {
        "name": "new",
        "experiment": "morpho",
        "flagfile": "morpho_smoke",
        "flags": {"steps": "30"},
    }
    line = client.post("/api/command_line", json=form).json()["line"]
    flags = f"--flagfile=morpho_smoke --steps=30 --workdir={root / 'new'}"
    assert line == f"python -m gan_jax morpho {flags}"
    refused = client.post("/api/command_line", json=form | {"flags": {"steps": "0"}})
    assert refused.status_code == 400 and "--steps=0 is too small" in refused.json()["error"]
    assert not (root / "new").exists()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_refused_launch_says_why_and_leaves_no_run(client, root, kind):
    """What only the command itself can refuse, after it has looked at the data."""
    form = {"name": "refused", "experiment": "gan", "flagfile": "gan_smoke", "kind": kind}
    before = sorted(root.iterdir())
    answer = client.post("/api/launch", json=form | {"flags": {"data": "folder:/no/such"}})
    assert answer.status_code == 400 and "--data=folder:/no/such" in answer.json()["error"]
    assert sorted(root.iterdir()) == before
    if kind == "run":
        check = client.post("/api/check_data", json=form | {"flags": {"data": "galaxies:64"}})
        assert check.json()["code"] == 0 and "Verdict" in check.json()["output"]


def test_captions_and_meanings_are_answered(client):
    answer = client.get("/api/captions").json()
    assert "mode collapse" in answer["meanings"]["watch/diversity"]["low"]
    assert answer["scores"]["frechet"]["better"] == "low" and answer["rows"]["real"]
    for meaning in answer["meanings"].values():
        assert len(meaning["bounds"]) == 2
        assert f"{meaning['unit']}: (" in (serving.STATIC / "axes.js").read_text()
    assert answer["captions"]["loss"]


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_leads_out_of_the_root(client, name):
    """All addresses with a parameter that names a run: the secret stays, nothing is written."""
    folder = studio_of(client).runs.root.parent
    before = sorted(folder.rglob("*"))
    body = {"name": name, "experiment": "gan", "flagfile": name, "options": {}, "flags": {}}
    body |= {"names": [name], "changes": {"title": "SECRET"}, "key": name}
    answers = []
    for path in paths("GET"):
        if "{name" in path and "stream" not in path:
            path = path.replace("{name:path}", name).replace("{name}", name)
            answers.append(client.get(path.replace("{step}", "1").replace("{kind}", "table")))
    for path in paths("POST"):
        if "{" not in path and (name or path not in ("/api/dry_run", "/api/check_data")):
            answers.append(client.post(path, json=body))
    answers.append(client.get("/comparison", params=[("run", name), ("run", "../secret")]))
    answers.append(client.post(f"/api/colorize/{name}", content=b"x"))
    for answer in answers:
        assert answer.status_code in (200, 400, 404, 405, 413)
        assert "SECRET" not in answer.text
        assert "passwd" not in answer.text or "root:" not in answer.text
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "step", ["77", "../../secret/000001", "9" * 5000, "-1", "1.5", "", "x", "%00"]
)
def test_no_step_leads_out_of_the_root(client, step):
    for run in ("run", "bad"):
        answer = client.get(f"/grid/{step}/{run}")
        assert answer.status_code == 404 and "SECRET" not in answer.text
    assert client.get("/grid/1/bad").status_code == 404  # through a folder that is a link


@pytest.mark.parametrize(
    "path",
    ["/static/../serving.py", "/static/%2e%2e/serving.py", "/static//etc/passwd", "/static/"],
)
def test_only_the_static_files_are_static(client, path):
    assert client.get(path).status_code in (404, 405)


def test_a_comparison_leaves_no_chosen_run_out(client):
    answer = client.get("/comparison", params=[("run", f"run{i}") for i in range(25)])
    assert answer.status_code == 400 and "25 runs are chosen" in answer.text


def test_requests_are_limited_in_size(client):
    body = b'{"a": "' + b"x" * request_utils.MAX_BODY_BYTES + b'"}'
    assert client.post("/api/command_line", content=body, headers=JSON).status_code == 413
    image = bytes(request_utils.MAX_IMAGE_BYTES + 1)
    assert client.post("/api/colorize/run", content=image).status_code == 413


BODIES = [
    "",
    "{",
    "[]",
    "1",
    "null",
    "NaN",
    '{"name": NaN}',
    "[" * 60_000,
    '{"name": 1}',
    '{"name": {}}',
    chr(0),
    '{"name": "run", "options": []}',
    '{"name": "run", "options": {"n": 1e999}}',
]


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_no_request_are_refused(client, body):
    for path in paths("POST"):
        if "{" not in path:
            assert client.post(path, content=body, headers=JSON).status_code == 400


WORDS = [*HOSTILE_NAMES, "run", "study/two", "bad", "gan", "gan_smoke", "morpho", *string.printable]
VALUES = [
    *WORDS,
    0,
    1,
    -1,
    2**70,
    1.5,
    -1e300,
    True,
    None,
    [],
    {},
    [[0, 1]],
    [[1]],
    {"n": 4},
    {"seed": -1},
    {"lr": "1"},
    {"lr": {}},
]
FIELDS = [
    "name",
    "experiment",
    "flagfile",
    "flags",
    "options",
    "first",
    "last",
    "image",
    "changes",
    "form",
]
STARTING = ("/api/launch", "/api/resume", "/api/dry_run", "/api/check_data", "/api/evaluate")
MOVING = ("/api/delete", "/api/notes")


def random_path(r, route):
    """An address of a route with random parameters, quoted."""
    path = route.path.replace("{step}", str(r.choice(VALUES))[:200])
    path = path.replace("{name:path}", r.choice(WORDS)).replace("{name}", r.choice(WORDS))
    allowed = string.ascii_letters + string.digits + "/._-%"
    return "".join(c if c in allowed else f"%{ord(c) % 256:02x}" for c in path)


@pytest.mark.long
def test_a_thousand_random_requests_break_nothing(client, root):
    """All addresses, and all fields of requests, with random values."""

    def refuse(*_):
        raise InputError("not here")

    studio_of(client).worker.run = refuse
    r, counts = random.Random(0), {}
    for _ in range(1000):
        route = r.choice([*serving.PAGES, *serving.API])
        path = random_path(r, route)
        body = {f: r.choice(VALUES) for f in r.sample(FIELDS, r.randint(0, len(FIELDS)))}
        if route.path in STARTING:  # nothing may start
            body["name"] = r.choice(HOSTILE_NAMES)
        if route.path in ("/api/dry_run", "/api/check_data"):
            body["experiment"] = "no"
        if route.path in MOVING:  # nor be moved
            body["names"] = [r.choice(HOSTILE_NAMES)]
        if "stream" in route.path:  # a stream of a run does not end
            for name in ("run", "study/two", "bad"):
                path = path.replace(f"stream/{name}", "stream/no")
        method = r.choice([*(3 * [*route.methods]), "GET", "POST", "PUT"])
        query = {"run": r.choice(WORDS), "position": r.choice(WORDS)}
        answer = client.request(method, path, json=body, params=query)
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (path, body, answer.text)
        assert "SECRET" not in answer.text
    assert counts[200] > 100 and counts[400] > 100 and counts[404] > 100
    assert client.get("/api/runs").status_code == 200
    assert {p.name for p in root.iterdir()} <= {"run", "study", "bad", "link", ".studio.lock"}


def test_names_are_text_and_nothing_else(client, root, make_run):
    """A folder may have any name that the file system takes; its page shows it as text."""
    name = "<b onload=x>\"'&?# ü"
    make_run(root / "study" / name)
    try:
        studio_of(client).runs.refresh()
        path = "/".join(urllib.parse.quote(part, safe="") for part in ("study", name))
        assert client.get(f"/api/run/{path}").json()["run"]["name"] == f"study/{name}"
        html = client.get(f"/run/{path}").text
        assert "<b onload" not in html and "&lt;b onload=x&gt;&#34;&#39;&amp;?# ü" in html
        assert client.get(f"/grid/10/{path}").status_code == 200
    finally:
        shutil.rmtree(root / "study" / name)
        studio_of(client).runs.refresh()
