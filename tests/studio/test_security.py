"""Host, origin and token: who is answered and who is refused."""

import pytest

from gan_jax.commands import process, studio

pytest.importorskip("httpx2")
testclient = pytest.importorskip("starlette.testclient")
serving = pytest.importorskip("gan_jax.studio.serving")

from gan_jax.studio import app_state, security  # noqa: E402 - needs starlette

FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9"},
    {"origin": "https://127.0.0.1"},
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example"},
    {"host": ""},
    {"host": "[::"},
    {"host": "10.0.0.1:8080"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
]
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
OWN = [
    {"origin": "http://127.0.0.1:8080"},
    {"host": "localhost:8080"},
    {"host": "[::1]:8080"},
    {"sec-fetch-site": "same-origin"},
    LINK,
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_origins_and_names_are_refused(client, headers):
    read = client.get("/api/runs", headers=headers)
    changed = client.post("/api/stop", json={"name": "run"}, headers=headers)
    for answer in (read, changed):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("headers", OWN)
def test_own_pages_and_links_are_answered(client, headers):
    assert client.get("/api/runs", headers=headers).status_code == 200


def test_a_form_of_another_page_is_refused(client):
    """Without an Origin, too: what a page may send without asking is never JSON."""
    forms = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    )
    for kind in forms:
        headers = {"content-type": kind}
        answer = client.post("/api/stop", content='{"name": "run"}', headers=headers)
        assert answer.status_code == 415
    assert client.post("/api/stop", json={"name": "run"}, headers=LINK).status_code == 403


def test_the_token_opens_and_nothing_else_does(filled):
    app = serving.build_app(filled, "0.0.0.0", "right-word", 1, "exported", process.prepare_jax)
    app.app.state.studio = app_state.Studio(filled, 1, process.prepare_jax)
    client = testclient.TestClient(app, base_url="http://192.0.2.1:8080", follow_redirects=False)
    token = {"token": "right-word"}
    paths = ("/", "/api/runs", "/static/style.css", "/grid/10/run", "/learn/", "/learn/live.js")
    for path in paths:
        assert client.get(path).status_code == 401
        assert client.get(path, params={"token": "wrong"}).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path, headers={"cookie": "studio_8080=wrong"}).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer right-word"}).status_code == 200
    assert client.post("/api/stop", params=token, json={"name": "run"}).status_code == 401
    opened = client.get("/run/run", params={**token, "a": "b"})
    assert opened.status_code == 303 and opened.headers["location"] == "/run/run?a=b"
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert client.get("/run/run").status_code == 200  # by the cookie
    away = client.get("//evil.example/", params=token)
    location = away.headers["location"]
    assert away.status_code == 303 and location.startswith("/") and not location.startswith("//")


HOSTS = {
    "127.0.0.1": True,
    "::1": True,
    "localhost": True,
    "127.8.9.1": True,
    "[::1]": True,
    "0.0.0.0": False,
    "::": False,
    "192.168.0.2": False,
    "localhost.evil": False,
    "": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_loopback(host):
    assert security.is_loopback(host) is HOSTS[host]


@pytest.mark.long
def test_an_open_address_needs_a_token(capsys):
    assert process.guarded(studio.run, ["--host=0.0.0.0"], needs_jax=False) == 2
    assert "--token" in capsys.readouterr().err
