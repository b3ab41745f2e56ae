"""Files of the static pages: plain HTML, CSS and JavaScript modules, served as they are."""

import pathlib

ROOT = pathlib.Path(__file__).parent
FORMAT = (
    1  # of what is exported beside the pages: one more whenever older exports no longer fit them
)


def files():
    """{path: bytes} of a page's folder."""
    return {
        path.name: path.read_bytes()
        for path in sorted(ROOT.iterdir())
        if path.suffix in (".html", ".css", ".js")
    }
