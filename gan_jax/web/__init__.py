"""Files of the static pages: plain HTML, CSS and JavaScript modules, served as they are."""

from pathlib import Path

ROOT = Path(__file__).parent
FORMAT = 1  # of exported folders; increased when older exports no longer fit the pages


def files() -> dict[str, bytes]:
    """Return the files of the pages: {name: bytes}."""
    return {
        path.name: path.read_bytes()
        for path in sorted(ROOT.iterdir())
        if path.suffix in (".html", ".css", ".js")
    }
