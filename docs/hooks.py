"""MkDocs hook: turns $...$ and $$...$$ into MathML, which browsers draw without a library."""

import re

from latex2mathml.converter import convert

# Code comes first, so that a dollar in it stays a dollar.
_PARTS = re.compile(
    r"(?P<code>^[ ]*(?P<fence>```+|~~~+).*?^[ ]*(?P=fence)[ ]*$|(?P<ticks>`+)(?:[^`])+?(?P=ticks))"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<inline>[^\s$](?:(?:[^$\n]|\n(?!\n))*[^\s$])?)\$(?![\w$])",
    re.MULTILINE | re.DOTALL,
)
_TOKEN = "gjformula{}end"
_formulas: list[str] = []


def on_page_markdown(markdown: str, **_) -> str:
    """Replace formulas with words that Markdown leaves alone."""
    _formulas.clear()

    def replace(match: re.Match) -> str:
        if match["code"]:
            return match[0]
        display = "block" if match["block"] else "inline"
        _formulas.append(convert((match["block"] or match["inline"]).strip(), display=display))
        return _TOKEN.format(len(_formulas) - 1)

    return _PARTS.sub(replace, markdown)


def on_page_content(html: str, **_) -> str:
    """Put the formulas in, those of a paragraph of their own without the paragraph."""
    for i, formula in enumerate(_formulas):
        token = _TOKEN.format(i)
        html = html.replace(f"<p>{token}</p>", formula).replace(token, formula)
    return html
