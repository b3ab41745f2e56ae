"""The page of all numbers that README quotes, in Markdown."""

from typing import Any

from experiments.leaderboard import records
from experiments.leaderboard.table import TABLE
from gan_jax.errors import counted

HEAD = """# Leaderboard

Every number of the table in README, as it was measured, with the command that measures it again.
`python -m experiments.leaderboard --measure` measures all of them on two cores and goes on where it
was stopped; `python -m experiments.leaderboard` builds this page from the records
`docs/results/*.json`. A test compares README and the documentation with the records.

"±" is the standard deviation over repeats of sampling, of one training. Intervals (95 %) are those
of [sampling](../scores.md), and stay within what the score can be. A measurement is marked **other
code** where the code that all numbers depend on, its flagfile or its study has changed since; this
page was built with version
"""


def build(all_records: dict[str, dict[str, Any]], code: str) -> str:
    """Build the page.

    Args:
      all_records: see records.read_all.
      code: version of the code of today, see records.code_version.
    """
    lines = [f"{HEAD}`{code}`."]
    for name, record in all_records.items():
        lines += ["", *_section(name, record, code)]
    missing = [name for name in TABLE if name not in all_records]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _section(name, record, code):
    """Return the lines of one measurement."""
    by = f"commit `{record['commit']}`" if record["commit"] else "a version before these records"
    current = records.is_current(record, TABLE[name].commands, code)
    mark = "" if current else " (**other code**)"
    where = f"{record['date']}, {record['hardware']}, {by}{mark}"
    protocol = f"{record['protocol'][:1].upper()}{record['protocol'][1:].rstrip('.')}. "
    lines = [
        f"## {name}",
        "",
        f"{protocol if record['protocol'] else ''}{counted(record['seeds'], 'seed')}; {where}.",
        "",
        "```sh",
        *record["commands"],
        "```",
        "",
        "| result | value | 95 % interval |",
        "|---|---|---|",
    ]
    for number in TABLE[name].numbers:
        one = record["numbers"][number.key]
        interval = "-"
        if one["interval"]:
            interval = " to ".join(f"{x:.3g}" for x in one["interval"])
        value = f"{one['value']:.4g}"
        if one["spread"] is not None:
            value += f" ± {float(format(one['spread'], '.2g')):g}"
        lines.append(f"| {number.key} | {value} | {interval} |")
    return lines


def built_with(text: str) -> str:
    """Return the version of the code that a page was built with."""
    return text.partition("built with version\n`")[2].partition("`")[0]


PATH = records.RESULTS / "leaderboard.md"
