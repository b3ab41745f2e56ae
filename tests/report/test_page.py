"""Parts of pages: what is text is escaped, what is empty is left out."""

import pytest

from gan_jax.report import page

TEXT = 'a < b & "c"'
ESCAPED = "a &lt; b &amp; &quot;c&quot;"


@pytest.mark.parametrize(
    "part",
    [
        page.paragraph(TEXT),
        page.note(TEXT),
        page.strong(TEXT),
        page.bullets([TEXT]),
        page.section(TEXT, page.strong("x")),
        page.details(TEXT, page.strong("x")),
        page.table([[TEXT]]),
        page.figure(page.strong("x"), TEXT),
        page.image(b"", "png", TEXT),
        page.element("a", "x", href=TEXT),
        page.document(TEXT),
    ],
)
def test_text_is_escaped_wherever_it_stands(part):
    assert ESCAPED in part and TEXT not in part


def test_markup_is_escaped_once_and_an_f_string_of_it_is_text():
    bold = page.strong(TEXT)
    assert page.paragraph(bold) == f"<p><strong>{ESCAPED}</strong></p>"
    assert "<strong>" not in page.paragraph(f"see {bold}")


@pytest.mark.parametrize(
    "part", [page.section("x"), page.section("x", "", page.grid([])), page.details("x", "")]
)
def test_sections_without_content_are_left_out(part):
    assert part == "" and isinstance(part, page.Html)


def test_tables_have_heads_marked_rows_and_cells_of_their_own():
    cell = page.element("td", "wide", colspan="2")
    table = page.table([["", "n"], ["a", 1], [cell]], mark="a", prose=True)
    assert "<tr><th></th><th>n</th></tr>" in table
    assert '<tr class="model"><td>a</td><td>1</td></tr>' in table
    assert '<tr><td colspan="2">wide</td></tr>' in table and '<table class="prose">' in table
    assert "<th>" not in page.table([["a", 1]], n_heads=0)


def test_a_page_is_one_file():
    text = page.document("Title", page.chart(lambda axes: axes.plot([0, 1]), "a line"))
    assert text.startswith("<!doctype html>") and "<h1>Title</h1>" in text
    assert "<script" not in text and "<link" not in text and ".soft" in text
    assert text.count("src=") == text.count('src="data:image/svg+xml;base64,') == 1
