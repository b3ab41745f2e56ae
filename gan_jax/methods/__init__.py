"""The methods. Each module has Settings, a dataclass, and build(settings, shape, steps) -> step.Method."""

from gan_jax.methods import distgan, gan

TABLE = {"gan": gan, "distgan": distgan}
