"""The methods. Each module has Settings, a dataclass, check(settings, shape) and build(settings, shape, steps) ->
method.Method."""

from gan_jax.methods import acgan, colorize, distgan, gan, infogan, mgan

TABLE = {
    "gan": gan,
    "acgan": acgan,
    "mgan": mgan,
    "infogan": infogan,
    "colorize": colorize,
    "distgan": distgan,
}
