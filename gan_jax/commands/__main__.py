"""All commands of the package: python -m gan_jax.commands NAME [--flag=value ...].

NAME --help describes a command. These are the commands:
"""

import sys

from gan_jax.commands import entry
from gan_jax.errors import EXIT_DONE, EXIT_REFUSED


def usage() -> str:
    """Return the text of --help: a line for each command."""
    lines = [__doc__ or ""]
    for name in entry.names():
        summary = (entry.doc(name) or "").strip().splitlines()[0]
        lines.append(f"  {name:20} {summary}")
    return "\n".join(lines)


def main() -> None:
    """Run the command that the first word names, and exit with its code."""
    if len(sys.argv) < 2 or sys.argv[1] in ("--help", "-h"):
        print(usage())
        sys.exit(EXIT_DONE)
    name = sys.argv.pop(1)
    if name not in entry.names():
        print(f"{name} is not a command; use one of: {', '.join(entry.names())}.", file=sys.stderr)
        sys.exit(EXIT_REFUSED)
    entry.main(name)


if __name__ == "__main__":
    main()
