"""Responses to forms: command line, dry run, launch, stop, resume."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from gan_jax import plugins
from gan_jax.errors import InputError
from gan_jax.studio import forms, launcher, run_index
from gan_jax.studio.request_utils import AsciiJson, get_studio, json_body, require_field


async def list_experiments(request: Request) -> Response:
    """Return the training commands by name, each with the first line of its help."""
    experiments = await get_studio(request).experiments()
    return AsciiJson({name: entry["doc"].splitlines()[0] for name, entry in experiments.items()})


async def get_experiment(request: Request) -> Response:
    """Return what the form of a training command needs, see forms.describe_command."""
    experiments = await get_studio(request).experiments()
    if request.path_params["name"] not in experiments:
        raise run_index.NotFound("There is no such training command.")
    return AsciiJson(experiments[request.path_params["name"]])


async def _parse_form(request: Request) -> tuple[str, str, list[str]]:
    """Parse the form of a new run.

    Returns:
      (name of the run or "", training command, its flags).

    Raises:
      InputError
    """
    form, experiments = await json_body(request), await get_studio(request).experiments()
    name = require_field(form, "name", str, "")
    experiment = require_field(form, "experiment", str)
    if experiment not in experiments:
        raise InputError("There is no such training command.")
    flagfile = require_field(form, "flagfile", str, "")
    values = require_field(form, "flags", dict, {})
    flags = forms.build_flags(experiments[experiment], flagfile, values)
    get_studio(request).launcher.refuse_plugins(plugins.names_in(flags))
    if name:
        launcher.check_name(name)
    return name, experiment, flags


async def show_command_line(request: Request) -> Response:
    """Return the command line that does the same as a form."""
    name, experiment, flags = await _parse_form(request)
    folder = get_studio(request).runs.root / (name or experiment)
    return AsciiJson({"line": launcher.command_line(experiment, flags, folder)})


async def dry_run(request: Request) -> Response:
    """Run a form's command with --dry_run, and return what it prints."""
    name, experiment, flags = await _parse_form(request)
    studio = get_studio(request)
    folder = studio.runs.root / (name or experiment)
    async with studio.dry_run_lock:
        trust = studio.launcher.trust
        code, output = await asyncio.to_thread(launcher.dry_run, experiment, flags, folder, trust)
    return AsciiJson({"code": code, "output": output})


async def launch(request: Request) -> Response:
    """Put the run of a form into the queue."""
    name, experiment, flags = await _parse_form(request)
    studio = get_studio(request)
    await asyncio.to_thread(studio.launcher.enqueue, name, experiment, flags)
    studio.queue_changed.set()
    return AsciiJson({"name": name})


async def stop(request: Request) -> Response:
    """Ask a run to save and end, or take it out of the queue."""
    name = require_field(await json_body(request), "name", str)
    message = await asyncio.to_thread(get_studio(request).launcher.stop, name)
    return AsciiJson({"message": f"{name}: {message}"})


async def resume(request: Request) -> Response:
    """Put a run that was stopped into the queue again."""
    name = require_field(await json_body(request), "name", str)
    studio = get_studio(request)
    await asyncio.to_thread(studio.launcher.resume, name, await studio.experiments())
    studio.queue_changed.set()
    return AsciiJson({"message": f"{name}: will go on when there is room"})
