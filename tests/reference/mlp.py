"""Three nets of a few dozen numbers, as flax modules and as plain numpy, for brute-force checks of
whole losses.
"""

import flax.linen as nn
import numpy as np

from gan_jax.nets.outputs import DiscOutput

IMAGE = (2, 2, 1)
SIZES = {"gen": (3, 5, 4), "enc": (4, 5, 3), "disc": (4, 6, 1)}  # in, hidden, out; images flattened


class Net(nn.Module):
    """Two dense layers around a tanh: gen [B, 3] -> images, enc images -> [B, 3], disc images ->
    DiscOutput.
    """

    name_of: str
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        _, hidden, out = SIZES[self.name_of]
        features = nn.tanh(nn.Dense(hidden)(x.reshape(x.shape[0], -1)))
        y = nn.Dense(out)(features)
        if self.name_of == "disc":
            return DiscOutput(y[:, 0], features)
        return y.reshape(-1, *IMAGE) if self.name_of == "gen" else y


NETS = {name: Net(name) for name in SIZES}


def params(seed=0, scale=1.0):
    """{net: parameters} in float64."""
    r = np.random.default_rng(seed)

    def dense(n_in, n_out):
        return {
            "kernel": scale * r.normal(size=(n_in, n_out)),
            "bias": scale * r.normal(size=n_out),
        }

    return {
        net: {"Dense_0": dense(a, b), "Dense_1": dense(b, c)} for net, (a, b, c) in SIZES.items()
    }


def _layers(p, x):
    hidden = np.tanh(x.reshape(len(x), -1) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])
    return hidden, hidden @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]


def gen(p, z):
    """Images [B, 2, 2, 1]."""
    return _layers(p["gen"], z)[1].reshape(-1, *IMAGE)


def enc(p, x):
    """Codes [B, 3]."""
    return _layers(p["enc"], x)[1]


def features(p, x):
    """D's hidden layer [B, 6]."""
    return _layers(p["disc"], x)[0]


def logit(p, x):
    """D's logits [B]."""
    return _layers(p["disc"], x)[1][:, 0]


def slopes(p, x):
    """l2 norm of the logit's gradient in the image, by the chain rule: [B]."""
    d = p["disc"]
    inner = (1 - features(p, x) ** 2) * d["Dense_1"]["kernel"][:, 0]
    return np.sqrt(np.sum((inner @ d["Dense_0"]["kernel"].T) ** 2, axis=1))
