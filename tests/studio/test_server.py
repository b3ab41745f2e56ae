"""Who is answered, with what, and that nothing that is sent breaks the server or leaves the root."""

import importlib
import json
import random
import re
import shutil
import string
import urllib.parse

import pytest

from gan_jax import web
from gan_jax.commands import command_line, process, studio

pytest.importorskip("httpx2")
testclient = pytest.importorskip("starlette.testclient")
serving = pytest.importorskip("gan_jax.studio.serving")
request_utils, security, app_state = (
    importlib.import_module(f"gan_jax.studio.{name}")
    for name in ("request_utils", "security", "app_state")
)

LOCAL = "http://127.0.0.1:8080"
NAMES = ["../secret", "..", "/etc/passwd", "run/../../secret", "%2e%2e/secret", "..%2fsecret", "run%00", "run/samples", "link",
         "run/config.json", "\\..\\secret", "C:\\x", "run%0a", "~", "", "ü", "x" * 3000]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("studio") / "root"


@pytest.fixture
def filled(root, make_run):
    """The root with two runs, a broken one, and a secret outside that a link leads to."""
    if not (root / "run").exists():
        make_run(root / "run", console_log="hello\n", report_html="old")
        make_run(root / "study" / "two", DONE="")
        make_run(root / "bad", config_json="{", eval_json="[")
        (root.parent / "secret").mkdir()
        (root.parent / "secret" / "000001.png").write_text("SECRET")
        (root.parent / "secret" / "config.json").write_text('{"SECRET": 1}')
        (root / "link").symlink_to(root.parent / "secret")
        (root / "run" / "samples" / "000077.png").symlink_to(root.parent / "secret" / "000001.png")
        (root / "bad" / "samples").rename(root / "bad" / "kept")
        (root / "bad" / "samples").symlink_to(root.parent / "secret")
    return root


@pytest.fixture(scope="module")
def served(root):
    """A client of the application at the loopback address, without a token."""
    with testclient.TestClient(
        serving.build_app(root, "127.0.0.1", "", 1, root.parent / "exported", process.prepare_jax),
        base_url=LOCAL,
        raise_server_exceptions=False,
    ) as found:
        yield found


@pytest.fixture
def client(served, filled):
    return served


def paths(kind):
    """Every address, with what stands for its parameters; kind: of the methods."""
    routes = [r for r in [*serving.PAGES, *serving.API] if kind in r.methods]
    return [r.path for r in routes]


def test_pages_show_and_say_what_they_may_do(client):
    for path in (*serving.NAVIGATION, "/run/run", "/run/study/two"):
        found = client.get(path)
        assert found.status_code == 200 and found.text.startswith("<!doctype html>")
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy
        # WebAssembly runs in the lessons alone.
        assert ("'wasm-unsafe-eval'" in policy) == (path == serving.LESSONS) and policy.count(
            "unsafe"
        ) <= 1
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "://" not in found.text.replace("http://www.w3.org", "")  # nothing from elsewhere
        assert all(f'<a href="{address}"' in found.text for address in serving.NAVIGATION)
        assert "style=" not in found.text and "<script>" not in found.text


def test_runs_their_curves_and_grids_are_answered(client):
    found = client.get("/api/runs").json()
    assert {run["name"]: run["state"] for run in found["runs"]} == {
        "run": "stopped", "study/two": "finished", "bad": "unreadable",
    }  # fmt: skip
    curves = client.get("/api/curves/study/two").json()["curves"]
    assert curves["disc/loss"]["steps"] == [10, 20, 30, 40, 50]
    one = client.get("/api/run/run").json()
    assert (
        one["console"] == "hello\n"
        and one["samples"] == [10, 77]
        and one["config"]["run"]["steps"] == 1000
    )
    assert client.get("/grid/10/run").content.startswith(b"\x89PNG")


def test_experiments_are_described_and_a_form_becomes_a_command_line(client, root):
    assert "morpho" in client.get("/api/experiments").json()
    assert "morpho_smoke" in client.get("/api/experiment/morpho").json()["flagfiles"]
    asked = {
        "name": "new",
        "experiment": "morpho",
        "flagfile": "morpho_smoke",
        "flags": {"steps": "30"},
    }
    line = client.post("/api/command_line", json=asked).json()["line"]
    assert (
        line
        == f"python -m gan_jax.commands morpho --flagfile=morpho_smoke --steps=30 --workdir={root / 'new'}"
    )
    refused = client.post("/api/command_line", json=asked | {"flags": {"steps": "0"}})
    assert refused.status_code == 400 and "--steps=0 is too small" in refused.json()["error"]
    assert not (root / "new").exists()


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_root(client, name):
    """Every address with every parameter that names a run; nothing of the secret is told, nothing is written."""
    before = sorted(client.app.app.state.studio.runs.root.parent.rglob("*"))
    answers = [client.get(path.replace("{name:path}", name).replace("{step}", "1").replace("{name}", name))
               for path in paths("GET") if "{name" in path and "stream" not in path]  # fmt: skip
    answers.append(client.get("/comparison", params=[("run", name), ("run", "../secret")]))
    answers += [client.post(path, json={"name": name, "experiment": "gan", "flagfile": name, "options": {}, "flags": {}})
                for path in paths("POST") if "{" not in path and (name or path != "/api/dry_run")]  # fmt: skip
    answers.append(client.post(f"/api/colorize/{name}", content=b"x"))
    assert all(
        a.status_code in (200, 400, 404, 405, 413) and "SECRET" not in a.text for a in answers
    )
    assert all("passwd" not in a.text or "root:" not in a.text for a in answers)
    assert sorted(client.app.app.state.studio.runs.root.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "step", ["77", "../../secret/000001", "9" * 5000, "-1", "1.5", "", "x", "%00"]
)
def test_no_step_leads_out_of_the_root(client, step):
    for run in ("run", "bad"):
        found = client.get(f"/grid/{step}/{run}")
        assert found.status_code == 404 and "SECRET" not in found.text
    assert client.get("/grid/1/bad").status_code == 404  # through a folder that is a link


@pytest.fixture
def exported(client, root):
    """A folder as experiments.export --page writes it, with a link to a secret."""
    folder = root.parent / "exported"
    (folder / "gan").mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": web.FORMAT, "models": {}}))
    (folder / "gan" / "gen.onnx").write_bytes(b"onnx")
    (folder / "index.html").write_text("of another version")
    (folder / "secret").symlink_to(root.parent / "secret")
    yield folder
    shutil.rmtree(folder)


def test_lessons_stand_under_the_bar_and_say_what_is_missing(client, root):
    """Their text is there without an export; the reason names the command that makes one."""
    for name in ("index", "digits", "collapse", "losses", "penalties"):
        found = client.get(f"/learn/{name}.html")
        assert (
            found.status_code == 200
            and found.text.count("<main") == 1
            and found.text.count('id="main"') == 1
        )
        assert (
            found.text.count('class="bar"') == 1
            and '<a href="/learn/" aria-current="page">Learn</a>' in found.text
        )
        for link in re.findall(r'(?:href|src)="([^"#]+)"', found.text):
            if not link.startswith("data:"):
                assert (
                    client.get(urllib.parse.urljoin(f"/learn/{name}.html", link)).status_code == 200
                ), link
    missing = client.get("/learn/manifest.json")
    assert missing.status_code == 404
    assert (
        f"./launch.sh run export --page --out={root.parent / 'exported'}" in missing.json()["error"]
    )


def test_lessons_train_what_was_exported(client, exported):
    """Pages and modules are of this version, the rest of the export; a second request for a large file is told to keep it."""
    assert client.get("/learn/manifest.json").json()["models"] == {}
    assert (
        "another version" not in client.get("/learn/index.html").text + client.get("/learn/").text
    )
    found = client.get("/learn/gan/gen.onnx")
    assert (
        found.content == b"onnx"
        and "wasm-unsafe-eval"
        in client.get("/learn/live-engine.js").headers["content-security-policy"]
    )
    assert (
        client.get(
            "/learn/gan/gen.onnx", headers={"if-none-match": found.headers["etag"]}
        ).status_code
        == 304
    )
    for path in ("runtime.py", "__init__.py", "../secret/config.json", "%2e%2e/secret/config.json", "secret/config.json", "gan",
                 "%00", "no.html", "/etc/passwd", "x" * 5000):  # fmt: skip
        assert client.get(f"/learn/{path}").status_code == 404, path
    assert (
        client.get("/learn/gan/gen.onnx", headers={"origin": "http://evil.example"}).status_code
        == 403
    )
    assert client.post("/learn/manifest.json").status_code == 405


@pytest.mark.parametrize("text", ['{"models": {}}', '{"format": 0, "models": {}}', "[1]", "{"])
def test_lessons_refuse_an_export_of_another_version(client, exported, text):
    """With the command that makes it anew; the pages' text is still there."""
    (exported / "manifest.json").write_text(text)
    found = client.get("/learn/manifest.json")
    assert (
        found.status_code == 409
        and f"./launch.sh run export --page --out={exported}" in found.json()["error"]
    )
    assert client.get("/learn/collapse.html").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../serving.py", "/static/%2e%2e/serving.py", "/static//etc/passwd", "/static/"],
)
def test_only_the_static_files_are_static(client, path):
    assert client.get(path).status_code in (404, 405)


FOREIGN = [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9"}, {"origin": "https://127.0.0.1"},
    {"host": "evil.example"}, {"host": "127.0.0.1.evil.example"}, {"host": ""}, {"host": "[::"}, {"host": "10.0.0.1:8080"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_origins_and_names_are_refused(client, headers):
    for answer in (
        client.get("/api/runs", headers=headers),
        client.post("/api/stop", json={"name": "run"}, headers=headers),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("headers", [
    {"origin": LOCAL}, {"host": "localhost:8080"}, {"host": "[::1]:8080"}, {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
])  # fmt: skip
def test_own_pages_and_links_are_answered(client, headers):
    assert client.get("/api/runs", headers=headers).status_code == 200


def test_a_form_of_another_page_is_refused(client):
    """Without an Origin, too: what a page may send unasked is never JSON."""
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ):
        assert (
            client.post(
                "/api/stop", content='{"name": "run"}', headers={"content-type": kind}
            ).status_code
            == 415
        )
    assert (
        client.post(
            "/api/stop",
            json={"name": "run"},
            headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        ).status_code
        == 403
    )


def test_the_token_opens_and_nothing_else_does(filled):
    app = serving.build_app(filled, "0.0.0.0", "right-word", 1, "exported", process.prepare_jax)
    client = testclient.TestClient(app, base_url="http://192.0.2.1:8080", follow_redirects=False)
    app.app.state.studio = app_state.Studio(filled, 1, process.prepare_jax)
    for path in (
        "/",
        "/api/runs",
        "/static/style.css",
        "/grid/10/run",
        "/learn/",
        "/learn/live.js",
    ):
        assert client.get(path).status_code == 401
        assert client.get(path, params={"token": "wrong"}).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path, headers={"cookie": "studio_8080=wrong"}).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer right-word"}).status_code == 200
    assert (
        client.post("/api/stop", params={"token": "right-word"}, json={"name": "run"}).status_code
        == 401
    )
    opened = client.get("/run/run", params={"token": "right-word", "a": "b"})
    assert opened.status_code == 303 and opened.headers["location"] == "/run/run?a=b"
    assert (
        "httponly" in opened.headers["set-cookie"].lower()
        and "samesite=strict" in opened.headers["set-cookie"].lower()
    )
    assert client.get("/run/run").status_code == 200  # by the cookie
    away = client.get("//evil.example/", params={"token": "right-word"})
    assert (
        away.status_code == 303
        and away.headers["location"].startswith("/")
        and not away.headers["location"].startswith("//")
    )


HOSTS = {
    "127.0.0.1": True, "::1": True, "localhost": True, "127.8.9.1": True, "[::1]": True,
    "0.0.0.0": False, "::": False, "192.168.0.2": False, "localhost.evil": False, "": False,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_loopback(host):
    assert security.is_loopback(host) is HOSTS[host]


def test_an_open_address_needs_a_token(capsys):
    assert process.guarded(studio.run, ["--host=0.0.0.0"], jax=False) == 2
    assert "--token" in capsys.readouterr().err


def test_requests_are_limited_in_size(client):
    large = client.post(
        "/api/command_line",
        content=b'{"a": "' + b"x" * request_utils.MAX_BODY_BYTES + b'"}',
        headers={"content-type": "application/json"},
    )
    assert large.status_code == 413
    assert (
        client.post(
            "/api/colorize/run", content=bytes(request_utils.MAX_IMAGE_BYTES + 1)
        ).status_code
        == 413
    )


BODIES = [
    "", "{", "[]", "1", "null", "NaN", '{"name": NaN}', "[" * 60_000, '{"name": 1}', '{"name": {}}', chr(0),
    '{"name": "run", "options": []}', '{"name": "run", "options": {"n": 1e999}}',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_no_request_are_refused(client, body):
    for path in paths("POST"):
        if "{" not in path:
            assert (
                client.post(
                    path, content=body, headers={"content-type": "application/json"}
                ).status_code
                == 400
            )


def test_a_thousand_random_requests_break_nothing(client, root):
    """Every address and every field of every request, filled by chance with what fits and what does not."""
    r, known = random.Random(0), serving.PAGES + serving.API
    client.app.app.state.studio.worker.run = lambda *_: (_ for _ in ()).throw(
        command_line.InputError("not here")
    )
    words = [*NAMES, "run", "study/two", "bad", "gan", "gan_smoke", "morpho", *string.printable]
    values = [
        *words,
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
    fields = [
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
    counts = {}
    for _ in range(1000):
        route = r.choice(known)
        path = (
            route.path.replace("{step}", str(r.choice(values))[:200])
            .replace("{name:path}", r.choice(words))
            .replace("{name}", r.choice(words))
        )
        path = "".join(
            c if c in string.ascii_letters + string.digits + "/._-%" else f"%{ord(c) % 256:02x}"
            for c in path
        )
        body = {f: r.choice(values) for f in r.sample(fields, r.randint(0, len(fields)))}
        if route.path in ("/api/launch", "/api/resume", "/api/dry_run") or "stream" in route.path:
            body["name"] = r.choice(NAMES)  # starts nothing, and waits for nothing
            path = (
                path.replace("stream/run", "stream/no")
                .replace("stream/study/two", "stream/no")
                .replace("stream/bad", "stream/no")
            )
            if route.path == "/api/dry_run":
                body["experiment"] = "no"
        found = client.request(
            r.choice([*(3 * [*route.methods]), "GET", "POST", "PUT"]),
            path,
            json=body,
            params={"run": r.choice(words), "position": r.choice(words)},
        )
        counts[found.status_code] = counts.get(found.status_code, 0) + 1
        assert found.status_code < 500, (path, body, found.text)
        assert "SECRET" not in found.text
    assert counts[200] > 100 and counts[400] > 100 and counts[404] > 100
    assert client.get("/api/runs").status_code == 200
    assert {p.name for p in root.iterdir()} <= {"run", "study", "bad", "link", ".studio.lock"}


def test_events_tell_what_is_new_and_where_to_go_on(client, root):
    """A stream that ends after what is new; one that does not is read by test_journey.py."""
    first = client.get("/api/stream/study/two", params={"once": ""})
    assert first.headers["content-type"].startswith("text/event-stream") and first.text.startswith(
        "retry: 2000\n"
    )
    events = dict(re.findall(r"event: (\w+)\ndata: (.*)\n", first.text))
    assert json.loads(events["run"])["run"]["state"] == "finished" and json.loads(events["run"])[
        "samples"
    ] == [10]
    assert "reload" in events and "console" not in events  # no position is known yet
    position = re.findall(r"id: (.*)\n", first.text)[-1]
    second = client.get(
        "/api/stream/study/two", params={"once": ""}, headers={"last-event-id": position}
    )
    records = json.loads(dict(re.findall(r"event: (\w+)\ndata: (.*)\n", second.text))["records"])
    assert [record["step"] for record in records] == [10, 20, 30, 40, 50]
    position = re.findall(r"id: (.*)\n", second.text)[-1]
    (root / "study" / "two" / "console.log").write_text("trained\n")
    third = client.get("/api/stream/study/two", params={"once": "", "position": position}).text
    assert "records" not in third and 'event: console\ndata: "trained\\n"' in third
    (root / "study" / "two" / "console.log").unlink()


@pytest.mark.parametrize(
    "position", ["", "x", "1", "1-2-3-4", "1--2", "9" * 30 + "-1", "\n", "-", "1-2-x", "1e3-1"]
)
def test_places_that_are_none_begin_at_the_beginning(client, position):
    assert (
        "event: reload"
        in client.get("/api/stream/study/two", params={"once": "", "position": position}).text
    )


def test_names_are_text_and_nothing_else(client, root, make_run):
    """A folder may be called anything that the file system takes; its page shows it and runs nothing of it."""
    name = "<b onload=x>\"'&?# ü"
    make_run(root / "study" / name)
    try:
        client.app.app.state.studio.runs.refresh()
        path = "/".join(urllib.parse.quote(part, safe="") for part in ("study", name))
        assert client.get(f"/api/run/{path}").json()["run"]["name"] == f"study/{name}"
        shown = client.get(f"/run/{path}").text
        assert "<b onload" not in shown and "&lt;b onload=x&gt;&#34;&#39;&amp;?# ü" in shown
        assert client.get(f"/grid/10/{path}").status_code == 200
    finally:
        shutil.rmtree(root / "study" / name)
        client.app.app.state.studio.runs.refresh()
