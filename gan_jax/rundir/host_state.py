"""Host copies of a training state, and digests of their content."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np


def to_host(tree):
    """Copy a tree to numpy leaves, safe from donation; random keys become their uint32 data."""

    return jax.tree.map(lambda x: np.array(key_data(x)), tree)


def key_data(x):
    """Return the uint32 data of random keys, and any other leaf as it is."""
    is_key = isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(x) if is_key else x


def from_host(host, like):
    """Invert to_host: make random keys where `like` (arrays or shapes) has them."""

    def restore(x, l):
        return (
            jax.random.wrap_key_data(jnp.asarray(x))
            if jnp.issubdtype(l.dtype, jax.dtypes.prng_key)
            else x
        )

    return jax.tree.map(restore, host, like)


def digests(host) -> dict[str, str]:
    """Hash each leaf of a host tree, by name, type, shape and bytes: {leaf path: sha256 hex}."""
    out = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(host):
        name, leaf = jax.tree_util.keystr(path), np.asarray(leaf)
        h = hashlib.sha256(f"{name} {leaf.dtype} {leaf.shape}".encode())
        h.update(np.ascontiguousarray(leaf).data)
        out[name] = h.hexdigest()
    return out


def digest(host) -> str:
    """Hash all leaves of a host tree: sha256 hex."""
    return hashlib.sha256(
        "\n".join(f"{k} {v}" for k, v in digests(host).items()).encode()
    ).hexdigest()


def describe(tree) -> dict[str, str]:
    """Describe a tree of arrays or shapes: {leaf path: "type[shape]"}."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}
