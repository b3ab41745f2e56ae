"""Hooks of the documentation: formulas become MathML, indented blocks of docstrings become code.

MkDocs calls the functions, and mkdocstrings loads `IndentedBlocks`. Browsers draw MathML without a
library.
"""

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

# Code comes first, so that a dollar in it stays a dollar.
_PARTS = re.compile(
    r"(?P<code>^[ ]*(?P<fence>```+|~~~+).*?^[ ]*(?P=fence)[ ]*$|(?P<ticks>`+)(?:[^`])+?(?P=ticks))"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<inline>[^\s$](?:(?:[^$\n]|\n(?!\n))*[^\s$])?)\$(?![\w$])",
    re.MULTILINE | re.DOTALL,
)
_TOKEN = "gjformula{}end"
_formulas: list[str] = []  # of the page that is being built


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace formulas with words that Markdown leaves alone."""
    _formulas.clear()

    def replace(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        display = "block" if match["block"] else "inline"
        formula = convert((match["block"] or match["inline"]).strip(), display=display)
        _formulas.append(f'<div class="formula">{formula}</div>' if match["block"] else formula)
        return _TOKEN.format(len(_formulas) - 1)

    return _PARTS.sub(replace, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Put the formulas in, those of a paragraph of their own without the paragraph."""
    for i, formula in enumerate(_formulas):
        token = _TOKEN.format(i)
        html = html.replace(f"<p>{token}</p>", formula).replace(token, formula)
    return html


class IndentedBlocks(griffe.Extension):
    """Shows paragraphs of docstrings that are indented by two spaces as they are written."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Indent them by four, which is code to Markdown. Sections, such as Args, stay."""
        if obj.is_alias or obj.docstring is None:
            return
        paragraphs = obj.docstring.value.split("\n\n")
        obj.docstring.value = "\n\n".join(
            re.sub(r"^", "  ", text, flags=re.MULTILINE) if text.startswith("  ") else text
            for text in paragraphs
        )
