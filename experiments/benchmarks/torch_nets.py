"""The nets of the workloads in PyTorch, written from their formulas and made from our parameter trees.

Images are [N, C, H, W] and turned by 180 degrees. TensorFlow's "SAME" padding, which ours is, puts the larger half behind the
image; turned, that is PyTorch's own `padding=kernel // 2`, so that PyTorch runs its fastest form and nothing is padded by hand.
A module has the names of our tree, and a layer says what form a weight of ours has in it.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def image(array):
    """Our images [N, H, W, C], or what is drawn for them, as theirs; other arrays as they are."""
    array = np.asarray(array)
    return (
        np.ascontiguousarray(array[:, ::-1, ::-1].transpose(0, 3, 1, 2))
        if array.ndim == 4
        else array
    )


def units(height, width, channels):
    """Row numbers that bring flattened images of ours into the order of theirs: int [H W C]."""
    rows = np.arange(height * width * channels).reshape(height, width, channels)
    return rows[::-1, ::-1].transpose(2, 0, 1).ravel()


class Layer(nn.Module):
    """tree: our weights {name: array}; `form` brings one, or its gradient, into PyTorch's layout."""

    def __init__(self, tree):
        super().__init__()
        for name in ("bias", "scale"):
            self.register_parameter(name, None)
        for name, array in tree.items():
            self.register_parameter(
                name, nn.Parameter(torch.from_numpy(self.form(name, array).copy()))
            )


class Dense(Layer):
    """inputs, outputs: `units` of them where they are images. A mixture's K layers [inputs, K, outputs] are one."""

    def __init__(self, tree, inputs=None, outputs=None):
        self._inputs, self._outputs = inputs, outputs
        super().__init__(tree)

    def form(self, name, array):
        if self._outputs is not None:
            array = array[..., self._outputs]
        if name == "bias":
            return array.ravel()
        if self._inputs is not None:
            array = array[self._inputs]
        return array.reshape(len(array), -1).T

    def forward(self, x):
        return F.linear(x, self.kernel, self.bias)


class Embedding(Layer):
    """A row per class."""

    def form(self, name, array):
        return array

    def forward(self, y):
        return F.embedding(y, self.kernel)


class Conv(Layer):
    """Convolution with "SAME" padding and an odd kernel."""

    def form(self, name, array):
        return array if name == "bias" else array[::-1, ::-1].transpose(3, 2, 0, 1)

    def forward(self, x, stride=2):
        k = self.kernel.shape[-1]
        if (
            k == 1 and stride == 2
        ):  # no padding there: of an even side the image turned keeps the other pixels
            rows, columns = ((1 - side % 2) for side in x.shape[2:])
            x, stride = x[:, :, rows::2, columns::2], 1
        return F.conv2d(x, self.kernel, self.bias, stride, k // 2)


class ConvT(Conv):
    """To images of a side."""

    def forward(self, x, side):
        k = self.kernel.shape[-1]
        more = side - ((x.shape[-1] - 1) * 2 + k - 2 * (k // 2))
        return F.conv_transpose2d(x, self.kernel, self.bias, 2, k // 2, more)


class Norm(Layer):
    """BatchNorm. PyTorch's running variance is the unbiased one; in training no output depends on it."""

    def __init__(self, tree, stats, outputs=None, momentum=0.9):
        self._outputs, self._momentum = outputs, 1 - momentum
        super().__init__(tree)
        for name, array in stats.items():
            self.register_buffer(name, torch.from_numpy(self.form(name, array).copy()))

    def form(self, name, array):
        return (array if self._outputs is None else array[..., self._outputs]).ravel()

    def forward(self, x, how):
        """how: "train" moves the running statistics, "batch" does not, "running" uses them."""
        mean, var = (None, None) if how == "batch" else (self.mean, self.var)
        return F.batch_norm(
            x, mean, var, self.scale, self.bias, how != "running", self._momentum, 1e-5
        )


class Net(nn.Module):
    """Layers by our names, from our tree of weights and of statistics.

    orders: {layer: {"inputs" or "outputs": units}}. momentum: of every BatchNorm.
    """

    def __init__(self, tree, stats, orders=None, momentum=0.9):
        super().__init__()
        for name, sub in tree.items():
            kind, order = name.partition("_")[0], (orders or {}).get(name, {})
            if kind in NORMS:
                self.add_module(name, Norm(sub, stats[name], order.get("outputs"), momentum))
            elif kind in LAYERS:
                self.add_module(name, LAYERS[kind](sub, **order))
        names = sorted(
            (n for n in self._modules if "_" in n), key=lambda n: int(n.rpartition("_")[2])
        )
        self._kinds = {
            kind: [self._modules[n] for n in names if n.startswith(f"{kind}_")]
            for kind in (*LAYERS, *NORMS)
        }

    def all(self, kind):
        """Layers of one kind, in their order."""
        return self._kinds[kind]


LAYERS = {
    "Dense": Dense,
    "hidden": Dense,
    "out": Dense,
    "Conv": Conv,
    "ConvT": ConvT,
    "embed": Embedding,
}
NORMS = ("BatchNorm", "norm")
SQUASH = {"tanh": torch.tanh, "sigmoid": torch.sigmoid}


def leaky(slope):
    """Leaky ReLU."""
    return lambda x: F.leaky_relu(x, slope)


# net: activations of the generator, of the first block that sees the image, and of the others (Radford et al. 2016; S2's
# tables, D20; S3's, D16; MGAN's code).
ACTIVATIONS = {
    "dcgan": (F.relu, leaky(0.2), leaky(0.2)),
    "s2": (F.relu, F.elu, F.elu),
    "hdcgan": (F.selu, leaky(0.1), F.selu),
    "mgan": (F.relu, leaky(0.2), leaky(0.2)),
    "mgan_mnist": (F.relu, leaky(0.2), leaky(0.2)),
}

PERCEPTRONS = {"keras": leaky(0.2), "mlp": F.relu}


class Gen(Net):
    """Dense, then transposed convolutions; of a mixture the first layers of all generators are one."""

    def __init__(self, tree, stats, hp, shape):
        own, own_stats = (tree["private"], stats["private"]) if "private" in tree else (tree, stats)
        channels = tree["ConvT_0"]["kernel"].shape[-1]
        side = round((own["Dense_0"]["kernel"].shape[-1] / channels) ** 0.5)
        orders = {
            name: {"outputs": units(side, side, channels)} for name in ("Dense_0", "BatchNorm_0")
        }
        super().__init__(tree, stats, {} if own is not tree else orders)
        if own is not tree:
            self.private = Net(own, own_stats, orders)
        self._stem, self._shape, self._hp = (channels, side, side), shape, hp

    def forward(self, z, how):
        act, norms = ACTIVATIONS[self._hp.net][0], self.all("BatchNorm")
        first = getattr(self, "private", self)
        h = first.Dense_0(z)
        if first.all("BatchNorm"):
            h = first.BatchNorm_0(h, how)
            norms = norms[1:] if first is self else norms
        x = F.relu(h).reshape(-1, *self._stem)
        layers = self.all("ConvT")
        sides = [self._shape.size]
        while len(sides) < len(layers):
            sides.append(-(-sides[-1] // 2))
        for i, layer in enumerate(layers[:-1]):
            x = layer(x, sides[-1 - i])
            x = act(norms[i](x, how) if norms else x)
        return SQUASH[self._hp.pixels](layers[-1](x, self._shape.size))


class Trunk(Net):
    """Strided convolutions to features [N, F]."""

    def __init__(self, tree, stats, hp):
        super().__init__(tree, stats)
        self._hp = hp

    def forward(self, x, how):
        _, first, rest = ACTIVATIONS[self._hp.net]
        layers, norms = self.all("Conv"), self.all("BatchNorm")
        bare = (
            len(layers) - len(norms) if norms else len(layers)
        )  # blocks without a norm come first
        for i, layer in enumerate(layers):
            x = layer(x)
            x = x if i < bare else norms[i - bare](x, how)
            x = rest(x) if i else first(x)
        return x.flatten(1)


def _last(tree, size):
    """{"inputs": units} of a head's or a code's layer on the last feature map of a trunk of strided convolutions."""
    n = len([name for name in tree if name.startswith("Conv_")])
    for _ in range(n):
        size = -(-size // 2)
    return {"inputs": units(size, size, tree[f"Conv_{n - 1}"]["kernel"].shape[-1])}


class Disc(Net):
    """forward: (logits [N], features [N, F], class logits [N, K] or None)."""

    def __init__(self, tree, stats, hp, shape):
        order = _last(tree["Trunk_0"], shape.size)
        super().__init__(tree, stats, {"Dense_0": order, "Dense_1": order})
        self.Trunk_0 = Trunk(tree["Trunk_0"], stats.get("Trunk_0", {}), hp)

    def forward(self, x, how):
        features, (logit, *classes) = self.Trunk_0(x, how), self.all("Dense")
        return logit(features)[:, 0], features, classes[0](features) if classes else None


class Enc(Net):
    """forward: codes [N, z_dim]."""

    def __init__(self, tree, stats, hp, shape):
        super().__init__(tree, stats, {"Dense_0": _last(tree["Trunk_0"], shape.size)})
        self.Trunk_0 = Trunk(tree["Trunk_0"], stats["Trunk_0"], hp)

    def forward(self, x, how):
        return self.Dense_0(self.Trunk_0(x, how))


class MlpGen(Net):
    """A perceptron; S2's has LeakyReLU, then BatchNorm of momentum 0.8."""

    def __init__(self, tree, stats, hp, shape):
        self._size, self._hp = (shape.colors, shape.size, shape.size), hp
        order = {"outputs": units(shape.size, shape.size, shape.colors)}
        super().__init__(tree, stats, {"out": order}, momentum=0.8)

    def forward(self, z, how):
        norms = self.all("norm")
        for i, layer in enumerate(self.all("hidden")):
            z = PERCEPTRONS[self._hp.net](layer(z))
            z = norms[i](z, how) if norms else z
        return SQUASH[self._hp.pixels](self.out(z)).reshape(-1, *self._size)


class MlpDisc(Net):
    """A perceptron without norms; forward as Disc."""

    def __init__(self, tree, stats, hp, shape):
        self._hp = hp
        super().__init__(
            tree, stats, {"Dense_0": {"inputs": units(shape.size, shape.size, shape.colors)}}
        )

    def forward(self, x, how):
        *hidden, logit = self.all("Dense")
        x = x.flatten(1)
        for layer in hidden:
            x = PERCEPTRONS[self._hp.net](layer(x))
        return logit(x)[:, 0], x, None


class S1Gen(Net):
    """S1, section VII: noise times the embedding of the class, then upsampling and convolutions; norms behind the ReLU."""

    def __init__(self, tree, stats, hp, shape):
        super().__init__({"embed": tree["embed"]}, {})
        side = shape.size // 4
        self._stem = (hp.width, side, side)
        self.net = Net(
            tree["net"],
            stats["net"],
            {"Dense_0": {"outputs": units(side, side, hp.width)}},
            momentum=0.8,
        )

    def forward(self, z, y, how):
        norms, (*convs, last) = self.net.all("BatchNorm"), self.net.all("Conv")
        x = self.net.Dense_0(z * self.embed(y)).reshape(-1, *self._stem)
        x = norms[0](F.relu(x), how)
        for conv, norm in zip(convs, norms[1:], strict=True):
            x = norm(F.relu(conv(F.interpolate(x, scale_factor=2.0), 1)), how)
        return torch.tanh(last(x, 1))


class S1Disc(Net):
    """S1, section VII: LeakyReLU, dropout of a quarter, and a norm behind the second and the third; forward as Disc."""

    def __init__(self, tree, stats, hp, shape):
        side = shape.size
        for _ in range(3):
            side = -(-side // 2)
        order = {"inputs": units(side, side, tree["Conv_3"]["kernel"].shape[-1])}
        super().__init__(tree, stats, {"Dense_0": order, "Dense_1": order}, momentum=0.8)

    def forward(self, x, how, draws):
        for i, conv in enumerate(self.all("Conv")):
            x = draws.dropout(F.leaky_relu(conv(x, 2 if i < 3 else 1), 0.2), 0.25)
            x = self.all("BatchNorm")[i - 1](x, how) if i in (1, 2) else x
        x = x.flatten(1)
        return self.Dense_0(x)[:, 0], x, self.Dense_1(x)


class Classifier(Net):
    """Pre-activation residual blocks (He et al. 2016); forward: class logits [N, K]."""

    def forward(self, x, how):
        convs, norms, size = iter(self.all("Conv")), iter(self.all("BatchNorm")), x.shape[-1]
        x = next(convs)(x, 2 if size > 16 else 1)
        for i in range(len(self.all("BatchNorm")) // 2):
            y = F.relu(next(norms)(x, how))
            stride = 2 if i or size > 32 else 1
            short = next(convs)(y, stride) if stride == 2 else x
            y = F.relu(next(norms)(next(convs)(y, stride), how))
            x = short + next(convs)(y, 1)
        return self.Dense_0(F.relu(next(norms)(x, how)).mean((2, 3)))


NETS = {  # net: classes by our names
    **{net: {"gen": Gen, "disc": Disc, "enc": Enc} for net in ACTIVATIONS},
    **{net: {"gen": MlpGen, "disc": MlpDisc} for net in PERCEPTRONS},
    "s1": {"gen": S1Gen, "disc": S1Disc},
}
