"""Responses to forms: command line, checks, launch, evaluation, stop, resume."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from gan_jax import plugins
from gan_jax.errors import InputError
from gan_jax.studio import command_lines, forms, run_index, sweeps
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


async def get_sweep_form(request: Request) -> Response:
    """Return what the form of a sweep of a training command needs."""
    return AsciiJson(await get_studio(request).sweep_command(request.path_params["name"]))


async def get_scoring_form(request: Request) -> Response:
    """Return what the form of an evaluation needs."""
    return AsciiJson((await get_studio(request).descriptions())["evaluate"])


async def _parse_form(request: Request) -> tuple[str, str, list[str]]:
    """Parse the form of a new run or, with "kind": "sweep", of a sweep.

    Returns:
      (name of the run or "", command, its flags).

    Raises:
      InputError
    """
    form, experiments = await json_body(request), await get_studio(request).experiments()
    name = require_field(form, "name", str, "")
    experiment = require_field(form, "experiment", str)
    if experiment not in experiments:
        raise InputError("There is no such training command.")
    command, first = experiment, []
    description = experiments[experiment]
    if form.get("kind") == "sweep":
        command, first = sweeps.COMMAND, [f"--experiment={experiment}"]
        description = await get_studio(request).sweep_command(experiment)
    flagfile = require_field(form, "flagfile", str, "")
    values = require_field(form, "flags", dict, {})
    flags = [*first, *forms.build_flags(description, flagfile, values)]
    get_studio(request).launcher.refuse_plugins(plugins.names_in(flags))
    if name:
        command_lines.check_name(name)
    return name, command, flags


async def show_command_line(request: Request) -> Response:
    """Return the command line that does the same as a form."""
    name, command, flags = await _parse_form(request)
    folder = get_studio(request).runs.root / (name or command)
    return AsciiJson({"line": command_lines.command_line(command, flags, folder)})


async def _check(
    request: Request, name: str, command: str, flags: list[str], flag: str
) -> tuple[int, str]:
    """Run a command with a flag that checks it, see command_lines.check."""
    studio = get_studio(request)
    folder = studio.runs.root / (name or command)
    if command == sweeps.COMMAND:
        flags = [*flags, "--noestimate"]  # which would train
    trust = studio.launcher.trust
    async with studio.dry_run_lock if flag == "dry_run" else studio.data_lock:
        return await asyncio.to_thread(command_lines.check, command, flags, folder, trust, flag)


async def check(request: Request) -> Response:
    """Run a form's command with --dry_run or --check_data, and return what it prints."""
    name, command, flags = await _parse_form(request)
    flag = request.url.path.rpartition("/")[2]
    if flag == "check_data" and command == sweeps.COMMAND:
        raise InputError("The data of a sweep are checked in the form of a run.")
    code, output = await _check(request, name, command, flags, flag)
    return AsciiJson({"code": code, "output": output})


async def launch(request: Request) -> Response:
    """Put the run of a form into the queue, unless its dry run is refused."""
    name, command, flags = await _parse_form(request)
    studio = get_studio(request)
    studio.launcher.check_place(name)
    command_lines.refuse_failed(*await _check(request, name, command, flags, "dry_run"))
    await asyncio.to_thread(studio.launcher.enqueue, name, command, flags)
    studio.queue_changed.set()
    return AsciiJson({"name": name, "kind": "sweep" if command == sweeps.COMMAND else "run"})


async def evaluate(request: Request) -> Response:
    """Put the evaluation of a run into the queue."""
    form, studio = await json_body(request), get_studio(request)
    name, values = require_field(form, "name", str), require_field(form, "flags", dict)
    command = (await studio.descriptions())["evaluate"]
    flags = forms.build_flags(command, "", values)
    await asyncio.to_thread(studio.launcher.enqueue_scoring, name, flags)
    studio.queue_changed.set()
    return AsciiJson({"message": f"{name}: will be scored when there is room"})


async def stop(request: Request) -> Response:
    """Ask a run to save and end, or take it out of the queue."""
    name = require_field(await json_body(request), "name", str)
    message = await asyncio.to_thread(get_studio(request).launcher.stop, name)
    return AsciiJson({"message": f"{name}: {message}"})


async def stop_scoring(request: Request) -> Response:
    """End the evaluation of a run, or take it out of the queue."""
    name = require_field(await json_body(request), "name", str)
    message = await asyncio.to_thread(get_studio(request).launcher.stop_scoring, name)
    return AsciiJson({"message": f"{name}: {message}"})


async def resume(request: Request) -> Response:
    """Put a run that was stopped into the queue again."""
    name = require_field(await json_body(request), "name", str)
    studio = get_studio(request)
    await asyncio.to_thread(studio.launcher.resume, name, await studio.commands())
    studio.queue_changed.set()
    return AsciiJson({"message": f"{name}: will go on when there is room"})
