"""The page of all numbers that README quotes, in Markdown."""

from typing import Any

from experiments.leaderboard import records
from experiments.leaderboard.table import TABLE

HEAD = """# Leaderboard

Every number of the table in README, as it was measured, with the command that measures it again.
`python -m experiments.leaderboard --measure` measures all of them on two cores and goes on where it
was stopped; `python -m experiments.leaderboard` builds this page from the records
`docs/results/*.json`. A test compares README and the documentation with the records.

"±" is the standard deviation over repeats of sampling, of one training. Intervals (95 %) are those
of [sampling](../scores.md), and stay within what the score can be. A row is marked **other code**
where the code that numbers depend on has changed since; this page was built with version
"""


def build(all_records: dict[str, dict[str, Any]], code: str) -> str:
    """Build the page.

    Args:
      all_records: see records.read_all.
      code: version of the code of today, see records.code_version.
    """
    lines = [
        f"{HEAD}`{code}`.",
        "",
        "| result | value | 95 % interval | seeds | measured | code |",
        "|---|---|---|---|---|---|",
    ]
    for name, record in all_records.items():
        known = record["commit"] or "before records"
        mark = f"`{known}`" + ("" if record["code"] == code else ", **other code**")
        for number in TABLE[name].numbers:
            one = record["numbers"][number.key]
            interval = "-"
            if one["interval"]:
                interval = " to ".join(f"{x:.3g}" for x in one["interval"])
            value = f"{one['value']:.4g}"
            if one["spread"] is not None:
                value += f" ± {one['spread']:.2g}"
            where = f"{record['date']}, {record['hardware']}"
            cells = (f"{name}: {number.key}", value, interval, str(record["seeds"]), where, mark)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Commands and protocols", ""]
    for name, record in all_records.items():
        commands = "; ".join(f"`{command}`" for command in record["commands"])
        protocol = f" {record['protocol'].rstrip('.')}." if record["protocol"] else ""
        lines.append(f"- **{name}**: {commands}.{protocol}")
    missing = [name for name in TABLE if name not in all_records]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def built_with(text: str) -> str:
    """Return the version of the code that a page was built with."""
    return text.partition("built with version\n`")[2].partition("`")[0]


PATH = records.RESULTS / "leaderboard.md"
