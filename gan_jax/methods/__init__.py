"""The methods by name. Adding one is one module here and one entry in TABLE.

A training command for it is an entry of presets.TABLE, a door in experiments/, and flagfiles in
commands/flagfiles.
Each module has Settings (a dataclass of its flags), check(hp, spec), which refuses settings that
contradict the data, and build(hp, spec, steps) -> core.method.Method. A plug-in is alike; without
check it has base.check.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_jax.errors import InputError
from gan_jax.methods import acgan, base, colorize, distgan, gan, infogan, mgan
from gan_jax.methods.settings import BaseSettings
from gan_jax.plugins import Table


class PluginMethod(NamedTuple):
    """What a plug-in has in place of a module of this package."""

    Settings: type[BaseSettings]
    check: Callable
    build: Callable


def _adapt(name, part):
    settings, build = getattr(part, "Settings", None), getattr(part, "build", None)
    is_class = isinstance(settings, type)
    if not is_class or not issubclass(settings, BaseSettings) or not callable(build):
        raise InputError(
            f"{name} is no method; it must have Settings, a subclass of "
            "gan_jax.methods.settings.BaseSettings, and build(hp, spec, steps)."
        )
    if any(isinstance(value, dataclasses.Field) for value in vars(settings).values()):
        raise InputError(
            f"{name}: put @dataclasses.dataclass(frozen=True) before its class {settings.__name__}."
        )
    for field in dataclasses.fields(settings):
        if "text" not in field.metadata:
            raise InputError(
                f"{name}: its setting {field.name} has no help text; declare it with "
                "gan_jax.settings.setting(default, text)."
            )
    return PluginMethod(settings, getattr(part, "check", base.check), build)


TABLE: Table[Any] = Table(
    "methods",
    {
        "gan": gan,
        "acgan": acgan,
        "mgan": mgan,
        "infogan": infogan,
        "colorize": colorize,
        "distgan": distgan,
    },
    _adapt,
)
