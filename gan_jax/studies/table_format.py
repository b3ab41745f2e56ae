"""Tables of a study as it has them, rows of plain cells with their head first: in Markdown for a file, in HTML for a page."""

from gan_jax.report import page


def markdown(title, rows):
    """A titled table. rows: lists of str, head first."""
    head, *lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"**{title}**", "", head, "|---" * len(rows[0]) + "|", *lines])


def table(rows):
    """The same rows in HTML, without a title."""
    return page.table([page.heads(rows[0]), *rows[1:]])


def system(name, n_ended, n_seeds):
    """A system in the first cell of its row: its name, and how many of its runs did not diverge if not all."""
    return (
        name
        if n_ended == n_seeds
        else f"{name} ({n_ended} of {n_seeds} seeds, the others diverged)"
    )
