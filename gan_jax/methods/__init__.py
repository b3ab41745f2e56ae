"""The methods by name. Adding one is one module here and one entry in TABLE.

A training command for it is an entry of presets.TABLE, a door in experiments/, and flagfiles in
commands/flagfiles.
Each module has Settings (a dataclass of its flags), check(hp, spec), which refuses settings that
contradict the data, and build(hp, spec, steps) -> core.method.Method.
"""

from gan_jax.methods import acgan, colorize, distgan, gan, infogan, mgan

TABLE = {
    "gan": gan,
    "acgan": acgan,
    "mgan": mgan,
    "infogan": infogan,
    "colorize": colorize,
    "distgan": distgan,
}
