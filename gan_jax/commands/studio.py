"""The studio: runs launched, watched, steered and tried in a browser. Opens at http://127.0.0.1:8080.

Everything is in the run folders below --root: the studio may end and be started again while runs go on, and shows runs that
were started elsewhere too. At most --jobs runs train at a time, further ones wait in a queue. Needs the extra [web].
"""

import dataclasses
import json
import secrets

from gan_jax import presets
from gan_jax.commands import command_line, entry, process, train
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    root: str = setting("runs", "folder below which run folders lie")
    host: str = setting(
        "127.0.0.1", "address to listen at; any but this machine's own needs --token"
    )
    port: int = setting(8080, "port to listen at; 0: any that is free", low=0, high=65535)
    token: str = setting("", "word without which nothing is shown; new: make one")
    jobs: int = setting(1, "runs that train at a time; further ones wait", low=1, high=64)
    page: str = setting(
        "exported/page", "folder that experiments.export --page wrote: what the lessons train"
    )
    open: bool = setting(False, "show it in the browser of this machine")
    describe: bool = setting(False, "print what the forms are made of, as JSON, and stop")


def describe():
    """{"experiments": {name: see forms.describe}, "captions", "meanings"}: what pages show that only the experiments know."""
    from gan_jax.report import run_page
    from gan_jax.studio import forms
    from gan_jax.training import monitor

    out = {}
    for name in presets.TABLE:
        _, run, method = groups = train.settings_groups(name)
        files = {file: flags_of(name, groups, file) for file in flagfiles(name)}
        out[name] = forms.describe(
            presets.TABLE[name].doc, {"The run": run, "The method": method}, files
        )
    meanings = {
        key: {"low": bounds.below, "high": bounds.above} for key, bounds in monitor.RANGES.items()
    }
    return {"experiments": out, "captions": run_page.CAPTIONS, "meanings": meanings}


def flagfiles(experiment):
    """Names of the flagfiles of a training command: those that begin with its name, and with no longer command's."""
    folder = command_line.ROOT / "experiments"
    commands = sorted(entry.names(), key=len, reverse=True)
    files = sorted(p.stem for p in (folder / "flagfiles").glob("*.flags"))
    return [
        f
        for f in files
        if next((c for c in commands if f"{f}_".startswith(f"{c}_")), None) == experiment
    ]


def flags_of(experiment, groups, flagfile):
    """{flag: value} where a flagfile differs from the defaults."""
    found, _ = command_line.parse(
        "", f"experiments.{experiment}", groups, [f"--flagfile={flagfile}"]
    )
    pairs = [(f.name, getattr(a, f.name), getattr(b, f.name)) for a, b in zip(groups, found, strict=True)
             for f in dataclasses.fields(a)]  # fmt: skip
    return {name: now for name, before, now in pairs if now != before}


def run(argv):
    """Command line to a server, until it is interrupted."""
    (flags,), _ = command_line.parse(__doc__, "experiments.studio", [Settings()], argv)
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
            f"--host={flags.host} can be reached by others; add --token=WORD, or --token=new for a random one."
        )
    if token and not token.isascii():
        raise InputError("--token is sent in addresses; use letters, digits, dash and underscore.")
    serving.serve(
        flags.root,
        flags.host,
        flags.port,
        token,
        flags.jobs,
        flags.page,
        flags.open,
        process.prepare_jax,
    )
