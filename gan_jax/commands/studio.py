"""Launches, shows, stops and samples runs in a browser, at http://127.0.0.1:8080.

Everything is in the run folders below --root: the studio may end and be started again while runs
go on, and shows runs that were started elsewhere too. At most --jobs runs train at a time, further
ones wait in a queue. Needs the extra [web].
"""

import dataclasses
import json
import secrets
from collections.abc import Sequence
from typing import Any

from gan_jax.commands import command_line, flagfile_list, process
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""

    root: str = setting("runs", "folder below which run folders lie")
    host: str = setting(
        "127.0.0.1", "address to listen at; any but this machine's own needs --token"
    )
    port: int = setting(8080, "port to listen at; 0: any that is free", low=0, high=65535)
    token: str = setting("", "word without which nothing is shown; new: make one")
    jobs: int = setting(1, "runs that train at a time; further ones wait", low=1, high=64)
    page: str = setting("exported/page", "folder that export --page wrote: what the lessons train")
    open: bool = setting(False, "show it in the browser of this machine")
    describe: bool = setting(False, "print what the forms are made of, as JSON, and stop")


def describe() -> dict[str, Any]:
    """Describe for the pages what only the commands know, see studio.descriptions."""
    from gan_jax.commands import evaluate
    from gan_jax.studio import descriptions

    list_flagfiles = lambda name: list(
        map(flagfile_list.describe, flagfile_list.flagfiles_of(name))
    )
    return descriptions.describe(list_flagfiles, (evaluate.__doc__ or "", evaluate.Flags()))


def run(argv: Sequence[str]) -> None:
    """Serve until it is interrupted."""
    (flags,), _ = command_line.parse(__doc__, "studio", [Flags()], argv)
    if flags.describe:
        process.prepare_jax()
        print(json.dumps(describe()))
        return
    for module in ("starlette", "uvicorn", "jinja2"):
        command_line.need(module, "The studio", "web")
    from gan_jax.studio import security, serving

    token = secrets.token_urlsafe(16) if flags.token == "new" else flags.token
    if not security.is_loopback(flags.host) and not token:
        raise InputError(
            f"--host={flags.host} can be reached by others; add --token=WORD, or --token=new for a "
            "random one."
        )
    if token and not token.isascii():
        raise InputError("--token is sent in addresses; use letters, digits, dash and underscore.")
    serving.serve(
        root=flags.root,
        host=flags.host,
        port=flags.port,
        token=token,
        jobs=flags.jobs,
        exported=flags.page,
        open_browser=flags.open,
        prepare=process.prepare_jax,
        trust=flags.trust,
    )
