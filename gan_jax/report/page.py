"""Parts that HTML pages are built of.

A page is one file: no script, no network, its pictures and its style inside. Modules of pages say
which parts a page has. Text is escaped here alone: in `join`, and in the attributes of elements.
"""

import base64
import html
import pathlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from gan_jax import images
from gan_jax.report import charts
from gan_jax.settings import Size

CSS = pathlib.Path(__file__).with_name("page.css").read_text()


class Html(str):
    """Markup. Every other string is text, which `join` escapes."""


def join(parts: Iterable[str]) -> Html:
    """Join parts of a page, text or Html."""
    return Html("".join(p if isinstance(p, Html) else html.escape(p) for p in parts))


def _opening_tag(tag, css, attributes):
    named = ({"class": css} if css else {}) | attributes
    text = (f' {name.replace("_", "-")}="{html.escape(value)}"' for name, value in named.items())
    return f"<{tag}{''.join(text)}>"


def element(tag: str, *children: str, css: str = "", **attributes: str) -> Html:
    """Build an element of a page.

    Args:
      tag: its name.
      *children: text or Html.
      css: its class.
      **attributes: aria_label for aria-label, and so on.
    """
    return Html(f"{_opening_tag(tag, css, attributes)}{join(children)}</{tag}>")


def document(title: str, *parts: str) -> str:
    """Build a page from its title and its parts."""
    width = "width=device-width, initial-scale=1"
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="{width}">{element("title", title)}<style>{CSS}</style>'
    )
    return f"{head}{element('body', element('h1', title), *parts)}</html>\n"


def section(heading: str, *parts: str) -> Html:
    """Build a heading with parts below it; nothing where all of them are empty."""
    content = join(parts)
    return join([element("h2", heading), content]) if content else content


def paragraph(*children: str) -> Html:
    """Build a paragraph."""
    return element("p", *children)


def note(*children: str) -> Html:
    """Build a paragraph in small grey letters."""
    return element("p", *children, css="soft")


def strong(text: str) -> Html:
    """Build text in bold letters."""
    return element("strong", text)


def bullets(lines: Iterable[str]) -> Html:
    """Build a list of sentences."""
    return element("ul", *(element("li", line) for line in lines))


def details(summary: str, *parts: str) -> Html:
    """Build parts that are folded away; nothing where all of them are empty."""
    content = join(parts)
    return element("details", element("summary", summary), content) if content else content


def table(
    rows: Iterable[Sequence[object]], mark: str | None = None, n_heads: int = 1, prose: bool = False
) -> Html:
    """Build a table.

    Args:
      rows: lists of cells; a cell that is Html is a whole td or th.
      mark: first cell of a row that stands out.
      n_heads: how many of the rows are heads.
      prose: whether the last column holds sentences, which may be broken into lines.
    """
    lines = []
    for i, row in enumerate(rows):
        tag = "th" if i < n_heads else "td"
        cells = (c if isinstance(c, Html) else element(tag, str(c)) for c in row)
        lines.append(element("tr", *cells, css="model" if row[0] == mark else ""))
    return element("div", element("table", *lines, css="prose" if prose else ""), css="scroll")


def figure(content: Html, caption: str, css: str = "card") -> Html:
    """Build a picture with a caption that says how to read it."""
    return element("figure", content, element("figcaption", caption), css=css)


def grid(parts: Iterable[str], css: str = "row") -> Html:
    """Build a grid of figures; nothing where there are none. css: see page.css."""
    content = join(parts)
    return element("div", content, css=css) if content else content


def image(data: bytes, kind: str, alt: str, css: str = "") -> Html:
    """Build an image with its bytes inside. kind: "png" or "svg+xml"."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Html(_opening_tag("img", css, {"alt": alt, "src": source}))


def chart(draw: Callable[[Axes], None], alt: str, width: float = 3.6, height: float = 2.2) -> Html:
    """Build a chart, see charts.svg."""
    return image(charts.svg(draw, width, height), "svg+xml", alt)


def chart_figure(
    draw: Callable[[Axes], None], caption: str, width: float = 3.6, height: float = 2.2
) -> Html:
    """Build a chart with a caption, which is its alternative text too."""
    return figure(chart(draw, caption, width, height), caption)


def sample_grid(path: pathlib.Path, alt: str, width: int, corner: Size | None = None) -> Html:
    """Build an image from a PNG of samples.

    Args:
      path: the file.
      alt: alternative text.
      width: pixels in which the page shows it; a smaller one is enlarged with sharp pixels.
      corner: None for all of it, or the size in pixels of its upper left corner.
    """
    picture = np.asarray(Image.open(path))
    if corner:
        picture = picture[: corner.height, : corner.width]
    css = "pixel" if picture.shape[1] < width else ""
    return image(images.encode_png(picture), "png", alt, css)
