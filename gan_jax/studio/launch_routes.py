"""Answers to forms: the equal command line, a dry run, a launch; and runs stopped and resumed."""

import asyncio

from gan_jax.errors import InputError
from gan_jax.studio import forms, launcher, run_index
from gan_jax.studio.request_utils import Json, given, part, studio


async def experiments(request):
    """Names of the training commands, with the first line of what they are."""
    known = await studio(request).experiments()
    return Json({name: described["doc"].splitlines()[0] for name, described in known.items()})


async def experiment(request):
    """What a form needs to know of a training command."""
    known = await studio(request).experiments()
    if request.path_params["name"] not in known:
        raise run_index.Missing("There is no such training command.")
    return Json(known[request.path_params["name"]])


async def asked(request):
    """(name of a new run, training command, its flags) of a form. Raises InputError."""
    form, known = await given(request), await studio(request).experiments()
    name, command = part(form, "name", str, ""), part(form, "experiment", str)
    if command not in known:
        raise InputError("There is no such training command.")
    flags = forms.words(
        known[command], part(form, "flagfile", str, ""), part(form, "flags", dict, {})
    )
    if name and not launcher.NAME.fullmatch(name):
        raise InputError(
            "A run's name has letters, digits, dot, dash and underscore, and begins with a letter or digit."
        )
    return name, command, flags


async def line(request):
    """The command line that equals a form."""
    name, command, flags = await asked(request)
    return Json(
        {"line": launcher.line(command, flags, studio(request).library.root / (name or command))}
    )


async def dry(request):
    """What a dry run of a form says."""
    name, command, flags = await asked(request)
    async with studio(request).checking:
        code, said = await asyncio.to_thread(
            launcher.dry_run, command, flags, studio(request).library.root / (name or command)
        )
    return Json({"code": code, "said": said})


async def launch(request):
    """A form into the queue."""
    name, command, flags = await asked(request)
    await asyncio.to_thread(studio(request).launcher.ask, name, command, flags)
    studio(request).asked.set()
    return Json({"name": name})


async def stop(request):
    """A run asked to save and end."""
    name = part(await given(request), "name", str)
    said = await asyncio.to_thread(studio(request).launcher.stop, name)
    return Json({"said": f"{name}: {said}"})


async def resume(request):
    """A run that stands still into the queue."""
    name = part(await given(request), "name", str)
    await asyncio.to_thread(
        studio(request).launcher.again, name, await studio(request).experiments()
    )
    studio(request).asked.set()
    return Json({"said": f"{name}: will go on when there is room"})
