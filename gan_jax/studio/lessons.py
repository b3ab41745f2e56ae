"""The lessons: pages of gan_jax.web below the studio's bar, with an exported folder of models."""

import json
import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gan_jax import web
from gan_jax.commands.process import typed
from gan_jax.studio import security
from gan_jax.studio.request_utils import AsciiJson, templates

# ONNX Runtime is WebAssembly.
POLICY = security.CONTENT_SECURITY_POLICY.replace(
    "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
)
STYLE = '<link rel="stylesheet" href="/static/bar.css">'


class Lessons(StaticFiles):
    """ASGI application: pages and scripts of this version, and the files of an exported folder."""

    def __init__(self, exported: str | Path):
        """exported: folder that `export --page` writes; it may be missing, or come later."""
        self._exported = Path(exported).expanduser().resolve()
        super().__init__(directory=self._exported, check_dir=False)
        self.config_checked = True
        self._pages = {name: str(web.ROOT / name) for name in web.files()}
        self._command = typed("export", "--page", f"--out={self._exported}")

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """See StaticFiles; pages of this version hide those of the export."""
        page = self._pages.get(path)
        return (page, os.stat(page)) if page else super().lookup_path(path)

    def _has_format(self):
        """Return whether the export has the format of these pages."""
        try:
            manifest = json.loads((self._exported / "manifest.json").read_text())
            return manifest["format"] == web.FORMAT
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def _refusal(self, why: str, code: int) -> Response:
        """Say why nothing can be trained, and the command that helps."""
        content = {"error": f"{why}: {self._command}", "command": self._command}
        return AsciiJson(content, code)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles; without a fitting export, manifest.json says how to make one."""
        name = "index.html" if path == "." else path
        try:
            response = await super().get_response(name, scope)
        except HTTPException as error:
            if name != "manifest.json" or error.status_code != 404:
                raise
            why = "the lessons need an export, which is made once and takes some minutes"
            return self._refusal(why, 404)
        if name == "manifest.json" and not self._has_format():
            why = "the export is of another version of gan_jax; make it again"
            return self._refusal(why, 409)
        if name in self._pages and name.endswith(".html"):
            bar = templates.get_template("bar.html").render(request=Request(scope))
            text = Path(self._pages[name]).read_text()
            response = HTMLResponse(text.replace("<body>", f"{STYLE}\n<body>\n{bar}", 1))
        response.headers["Content-Security-Policy"] = POLICY
        return response
