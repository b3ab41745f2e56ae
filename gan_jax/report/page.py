"""What our HTML pages are made of: one style, figures, tables and plots; no network, no script, pictures inside."""

import base64
import html
import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure

N_POINTS = 400  # of a curve; longer ones are averaged

INK, COLORS = (
    "#80858d",
    ("#3b82d6", "#e8833a", "#2fa37c", "#9a6bd0", "#c95f86"),
)  # readable on dark and light
CSS = """
:root { color-scheme: light dark;
  --bg: #fbfbfa; --fg: #1f2328; --soft: #666c74; --line: #dcdfe3; --card: #fff; --mark: #2f72c4 }
@media (prefers-color-scheme: dark) {
  :root { --bg: #15171a; --fg: #e4e6e9; --soft: #9aa0a8; --line: #33373d; --card: #1c1f23; --mark: #6aa9f0 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 24px 16px 64px; max-width: 1080px; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 4px } h2 { font-size: 1.15rem; margin: 40px 0 10px }
p { margin: 8px 0; max-width: 75ch } .soft, figcaption { color: var(--soft); font-size: .88rem }
figure { margin: 0; min-width: 0 } figcaption { margin-top: 6px } img { display: block; width: 100%; height: auto }
.pixel { image-rendering: pixelated } .sheet { max-width: 720px } .plot { max-width: 460px }
.row { display: grid; gap: 18px; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)) }
.pairs { display: grid; gap: 18px; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)) }
.snaps { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(max(150px, 22%), 1fr)) }
.card, .scroll { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem }
th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap }
td:last-child { white-space: normal; min-width: 14ch } tr:last-child > * { border-bottom: 0 }
td.n { white-space: nowrap }
.model { color: var(--mark); font-weight: 600 } .wide { width: 50% }
.bar { height: 10px; min-width: 1px; border-radius: 3px; background: var(--mark) }
.score h3 { font-size: 1rem; margin: 0 } .score strong { font-size: 1.15rem } .score p { margin: 4px 0 }
.scale { position: relative; height: 14px; margin: 8px 6px; border-bottom: 1px solid var(--line) }
.scale i { position: absolute; bottom: 0; width: 3px; height: 12px; margin-left: -1px }
.scale span { position: absolute; bottom: 4px; height: 5px; min-width: 2px; background: var(--mark); opacity: .45 }
.scale b { position: absolute; bottom: 1px; width: 11px; height: 11px; margin-left: -5px; border-radius: 50%;
  background: var(--mark) }
summary { cursor: pointer; font-weight: 600; margin: 40px 0 10px }
"""


class Markup(str):
    """Text that is HTML already."""


def embed(data, kind, alt, css=""):
    """An <img> with its bytes inside."""
    code = base64.b64encode(data).decode()
    return f'<img class="{css}" alt="{html.escape(alt)}" src="data:image/{kind};base64,{code}">'


def figure(content, caption, css="card"):
    """Something to look at, with a sentence under it that says how to read it."""
    return (
        f'<figure class="{css}">{content}<figcaption>{html.escape(caption)}</figcaption></figure>'
    )


def table(rows, mark=None):
    """An HTML table of plain cells, or Markup with its own tags. The row that begins with `mark` stands out."""
    out = ""
    for row in rows:
        cells = (c if isinstance(c, Markup) else f"<td>{html.escape(str(c))}</td>" for c in row)
        out += f'<tr class="{"model" if row[0] == mark else ""}">{"".join(cells)}</tr>'
    return f'<div class="scroll"><table>{out}</table></div>'


def heads(names):
    """Head cells of a table."""
    return [Markup(f"<th>{html.escape(name)}</th>") for name in names]


def chart(draw, width=3.6, height=2.2):
    """An SVG plot without background, in a grey that suits dark and light; draw(axes) does the rest."""
    with matplotlib.rc_context(
        {
            "svg.hashsalt": "gan_jax",
            "font.size": 9,
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    ):
        plot = Figure(figsize=(width, height), layout="constrained")
        axes = plot.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        names = axes.get_legend_handles_labels()[1]
        if len(names) > 1:
            columns = max(
                1, min(3, int(width / (0.45 + 0.07 * max(map(len, names)))))
            )  # inches: of a line and of a letter
            plot.set_figheight(height + 0.17 * (-(-len(names) // columns) - 1))
            plot.legend(
                frameon=False,
                loc="outside upper left",
                ncols=columns,
                handlelength=1.2,
                columnspacing=1.2,
            )
        buffer = io.BytesIO()
        plot.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def thin(points):
    """Points [n, 2] in at most N_POINTS neighbourhoods, each averaged."""
    return np.stack([part.mean(0) for part in np.array_split(points, min(len(points), N_POINTS))])


def frame(axes, values):
    """Fits the vertical range to the bulk of the values where a few extremes would flatten the rest; returns whether."""
    low, high = np.quantile(values, (0.03, 0.97))
    cut = np.ptp(values) > 4 * (high - low) > 0
    if cut:
        axes.set_ylim(low - 0.2 * (high - low), high + 0.2 * (high - low))
    return cut


def document(title, body):
    """A whole page around a body of HTML."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{html.escape(title)}</title><style>{CSS}</style><body>{body}</body></html>\n'
    )
