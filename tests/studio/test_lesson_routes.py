"""The lessons as the server sends them: pages of this version, and an exported folder."""

import json
import re
import shutil
import urllib.parse

import pytest

from gan_jax import web

HOSTILE_PATHS = (
    "runtime.py",
    "__init__.py",
    "../secret/config.json",
    "%2e%2e/secret/config.json",
    "secret/config.json",
    "gan",
    "%00",
    "no.html",
    "/etc/passwd",
    "x" * 5000,
)


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
        address = f"/learn/{name}.html"
        page = client.get(address)
        assert page.status_code == 200
        assert page.text.count("<main") == page.text.count('id="main"') == 1
        assert page.text.count('class="bar"') == 1
        assert '<a href="/learn/" aria-current="page">Learn</a>' in page.text
        for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
            if not link.startswith("data:"):
                target = urllib.parse.urljoin(address, link)
                assert client.get(target).status_code == 200, link
    missing = client.get("/learn/manifest.json")
    assert missing.status_code == 404
    command = f"python -m gan_jax export --page --out={root.parent / 'exported'}"
    assert command in missing.json()["error"] and command in missing.json()["command"]


def test_lessons_train_what_was_exported(client, exported):
    """Pages and scripts are of this version; large files are cached by the browser."""
    assert client.get("/learn/manifest.json").json()["models"] == {}
    for address in ("/learn/index.html", "/learn/"):
        assert "another version" not in client.get(address).text
    policy = client.get("/learn/live-engine.js").headers["content-security-policy"]
    assert "wasm-unsafe-eval" in policy
    address = "/learn/gan/gen.onnx"
    file = client.get(address)
    assert file.content == b"onnx"
    again = client.get(address, headers={"if-none-match": file.headers["etag"]})
    assert again.status_code == 304
    for path in HOSTILE_PATHS:
        assert client.get(f"/learn/{path}").status_code == 404, path
    assert client.get(address, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/learn/manifest.json").status_code == 405


@pytest.mark.parametrize("text", ['{"models": {}}', '{"format": 0, "models": {}}', "[1]", "{"])
def test_lessons_refuse_an_export_of_another_version(client, exported, text):
    """With the command that makes it anew; the pages' text is still there."""
    (exported / "manifest.json").write_text(text)
    answer = client.get("/learn/manifest.json")
    assert answer.status_code == 409
    assert f"python -m gan_jax export --page --out={exported}" in answer.json()["error"]
    assert client.get("/learn/collapse.html").status_code == 200
