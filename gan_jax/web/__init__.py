"""Files of the static pages: plain HTML, CSS and JavaScript modules, served as they are."""

import pathlib

ROOT = pathlib.Path(__file__).parent


def files():
    """{path: bytes} of a page's folder."""
    return {path.name: path.read_bytes() for path in sorted(ROOT.iterdir()) if path.suffix in (".html", ".css", ".js")}
