"""What images are asked of a generator: from --kind, or an argument in Python, to conditions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from gan_jax.errors import InputError

if TYPE_CHECKING:
    import jax

    from gan_jax.core.conditioning import Conditioning


def parse(conditioning: "Conditioning", text: str) -> np.ndarray:
    """Parse --kind into conditions; if it is empty, those that a grid has a column of.

    Returns:
      Indices of conditioning.names, int [n]; or values of quantities, float32 [n, A].

    Raises:
      InputError: the run has no kinds, or none of that name.
    """
    from gan_jax.core.conditioning import ByQuantities

    if isinstance(conditioning, ByQuantities):
        shown = np.array(conditioning.shown, np.float32)
        return parse_values(conditioning.quantities.names, text) if text else shown
    if not conditioning.names:
        raise InputError(
            f"--kind={text}: this run's images are of no kind; leave --kind empty, and use "
            "--form=grid."
        )
    if not text:
        return np.array(conditioning.shown)
    names = conditioning.names
    index = {name: i for i, name in enumerate(names)}
    if not any(name.isdecimal() for name in names):  # otherwise a number is a name
        index |= {str(i): i for i in range(len(names))}
    words, kinds = text.split(","), []
    while words:
        # A name may hold commas: the longest that fits is meant.
        lengths = range(len(words), 0, -1)
        heads = [(n, ",".join(words[:n]).strip()) for n in lengths]
        n = next((n for n, head in heads if head in index), 0)
        if not n:
            raise InputError(
                f"--kind={text}: {heads[-1][1]!r} is none of this run's; use "
                f"{', '.join(names[:12])}."
            )
        kinds.append(index[",".join(words[:n]).strip()])
        words = words[n:]
    return np.array(kinds)


def parse_values(names: tuple[str, ...], text: str) -> np.ndarray:
    """Parse --kind of quantities, "V,V" or "V/V,V/V": float32 [n, A].

    Raises:
      InputError: they are no numbers, or of other quantities.
    """
    rows = [word.split("/") for word in text.split(",")]
    try:
        values = [[float(value) for value in row] for row in rows]
    except ValueError:
        values = []
    if not values or {len(row) for row in values} != {len(names)} or not np.isfinite(values).all():
        example = ",".join("/".join([value] * len(names)) for value in ("0.2", "0.5"))
        raise InputError(
            f"--kind={text}: this run's images have {' and '.join(names)}; give numbers, such as "
            f"--kind={example}."
        )
    return np.array(values, np.float32)


def as_text(conditioning: "Conditioning", kind: str | float) -> str:
    """Return a kind as --kind takes it: a number of an index by its name.

    Raises:
      InputError: there are no kinds, or not so many.
    """
    from gan_jax.core.conditioning import ByQuantities

    if kind == "" or isinstance(conditioning, ByQuantities):
        return str(kind)
    names = conditioning.names
    if not names:
        raise InputError(f"kind={kind}: this run's images are of no kind; leave it out.")
    if isinstance(kind, str):
        return kind
    if not 0 <= kind < len(names):
        raise InputError(f"kind={kind} is out of bounds; give 0 to {len(names) - 1}.")
    return names[int(kind)]


def to_condition(conditioning: "Conditioning", kind: Any, n: int) -> "jax.Array | None":
    """Turn a kind into the conditions of n images, also under jit.

    Args:
      conditioning: of the method.
      kind: a name, names with commas, which are taken in turn, a number or int [n]; of quantities
        a number, float [n] or float [n, A], or --kind's text; None where the run has no kinds.
      n: number of images.

    Returns:
      int32 [n] or float32 [n, A]; None where the run has no kinds.

    Raises:
      InputError: the kind is missing, means nothing, or is of another number of images; the
        generator takes images.
    """
    import jax
    import jax.numpy as jnp

    from gan_jax.core.conditioning import ByQuantities

    if conditioning.needs_images:
        raise InputError("This run's generator takes images of the data; use sample().")
    if isinstance(conditioning, ByQuantities):
        return _to_values(conditioning.quantities.names, kind, n)
    if kind is None and not conditioning.names:
        return None
    if kind is None:
        raise InputError(
            f"This run makes images of {len(conditioning.names)} kinds; add kind=, one of: "
            f"{', '.join(conditioning.names[:12])}."
        )
    if isinstance(kind, (str, int)):
        kind = _in_turn(parse(conditioning, as_text(conditioning, kind)), n)
    elif not isinstance(kind, jax.core.Tracer):  # the values of a tracer are not known
        for number in np.unique(kind):
            as_text(conditioning, int(number))
    return _broadcast(jnp.asarray(kind, jnp.int32), (n,), "indices of kinds")


def _in_turn(kinds, n):
    """Return kinds for n images, as `sample` takes them."""
    return kinds[np.arange(n) % len(kinds)]


def _broadcast(kind, shape, meaning):
    import jax.numpy as jnp

    try:
        return jnp.broadcast_to(kind, shape)
    except ValueError:
        raise InputError(
            f"kind has the shape {list(kind.shape)}; give {list(shape)}, of {meaning}."
        ) from None


def _to_values(names, kind, n):
    """Turn a kind into quantities float32 [n, A]."""
    import jax.numpy as jnp

    if kind is None:
        raise InputError(f"This run makes images of a given {' and '.join(names)}; add kind=.")
    if isinstance(kind, str):
        kind = _in_turn(parse_values(names, kind), n)
    kind = jnp.asarray(kind, jnp.float32)
    kind = kind[:, None] if kind.ndim == 1 and len(names) == 1 else kind
    return _broadcast(kind, (n, len(names)), " and ".join(names))
