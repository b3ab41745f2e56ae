"""The lessons: the pages of gan_jax.web under the studio's bar, with what `experiments.export --page` wrote to be trained."""

import json
import os
import pathlib
import shlex

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from gan_jax import web
from gan_jax.studio import request_utils, security

POLICY = security.POLICY.replace(
    "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
)  # what runs ONNX is WebAssembly
STYLE = '<link rel="stylesheet" href="/static/bar.css">'


class Lessons(StaticFiles):
    """ASGI application: pages and modules of this version, and beside them the files of an exported folder."""

    def __init__(self, exported):
        """exported: the folder, which may not be there, or come later."""
        exported = pathlib.Path(exported).expanduser().resolve()
        super().__init__(directory=exported, check_dir=False)
        self.config_checked = True
        self._exported = exported
        self._own = {name: str(web.ROOT / name) for name in web.files()}
        self._how = f"./launch.sh run export --page --out={shlex.quote(str(exported))}"

    def lookup_path(self, path):
        """See StaticFiles."""
        own = self._own.get(path)
        return (own, os.stat(own)) if own else super().lookup_path(path)

    def _fits(self):
        try:
            return (
                json.loads((self._exported / "manifest.json").read_text())["format"] == web.FORMAT
            )
        except (OSError, ValueError, LookupError, TypeError):
            return False

    async def get_response(self, path, scope):
        """See StaticFiles; without an export that fits these pages manifest.json says how to make one."""
        name = "index.html" if path == "." else path
        try:
            found = await super().get_response(name, scope)
        except HTTPException as error:
            if name != "manifest.json" or error.status_code != 404:
                raise
            why = "the lessons need an export, which is made once and takes some minutes"
            return request_utils.Json({"error": f"{why}: {self._how}"}, 404)
        if name == "manifest.json" and not self._fits():
            return request_utils.Json(
                {
                    "error": f"the export is of another version of gan_jax; make it again: {self._how}"
                },
                409,
            )
        if name in self._own and name.endswith(".html"):
            bar = request_utils.templates.get_template("bar.html").render(request=Request(scope))
            text = pathlib.Path(self._own[name]).read_text()
            found = HTMLResponse(text.replace("<body>", f"{STYLE}\n<body>\n{bar}", 1))
        found.headers["Content-Security-Policy"] = POLICY
        return found
