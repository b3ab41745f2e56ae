"""The nets of the workloads in PyTorch, from their formulas and our trees of weights.

Images are [N, C, H, W] and rotated by 180 degrees. The "SAME" padding of TensorFlow, which ours is,
puts the larger half behind the image. After the rotation that is PyTorch's own
`padding=kernel // 2`, so that PyTorch runs its fastest form and nothing is padded by hand. A module
has the names of our tree, and a layer knows the layout of each of our weights in it.
"""

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def image_layout(array: np.ndarray) -> np.ndarray:
    """Bring our images [N, H, W, C] into PyTorch's layout; leave other arrays as they are."""
    array = np.asarray(array)
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array[:, ::-1, ::-1].transpose(0, 3, 1, 2))


def unit_order(side: int, channels: int) -> np.ndarray:
    """Return the rows that bring our flattened images into PyTorch's order."""
    rows = np.arange(side * side * channels).reshape(side, side, channels)
    return rows[::-1, ::-1].transpose(2, 0, 1).ravel()


class Layer(nn.Module):
    """A layer with our weights, {name: array}."""

    def __init__(self, tree, inputs=None, outputs=None):
        """inputs, outputs: the `unit_order` of those that are images."""
        super().__init__()
        self._inputs, self._outputs = inputs, outputs
        for name in ("bias", "scale"):
            self.register_parameter(name, None)
        for name, array in tree.items():
            tensor = torch.from_numpy(self.layout(name, array).copy())
            self.register_parameter(name, nn.Parameter(tensor))

    def layout(self, name: str, array: np.ndarray) -> np.ndarray:
        """Bring one of our weights, or its gradient, into PyTorch's layout."""
        return array


class Dense(Layer):
    """A dense layer; the K layers [inputs, K, outputs] of a mixture are one."""

    def layout(self, name, array):
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

    def forward(self, y):
        return F.embedding(y, self.kernel)


class Conv(Layer):
    """A convolution with "SAME" padding and an odd kernel."""

    def layout(self, name, array):
        return array if name == "bias" else array[::-1, ::-1].transpose(3, 2, 0, 1)

    def forward(self, x, stride=2):
        k = self.kernel.shape[-1]
        if k == 1 and stride == 2:  # no padding: of an even side the rotation keeps other pixels
            rows, columns = (1 - side % 2 for side in x.shape[2:])
            x, stride = x[:, :, rows::2, columns::2], 1
        return F.conv2d(x, self.kernel, self.bias, stride, k // 2)


class ConvT(Conv):
    """A transposed convolution of stride 2 to images of a side."""

    def forward(self, x, side):
        k = self.kernel.shape[-1]
        more = side - ((x.shape[-1] - 1) * 2 + k - 2 * (k // 2))
        return F.conv_transpose2d(x, self.kernel, self.bias, 2, k // 2, more)


class Norm(Layer):
    """BatchNorm. PyTorch's running variance is unbiased; in training no output depends on it."""

    def __init__(self, tree, stats, outputs=None, momentum=0.9):
        super().__init__(tree, outputs=outputs)
        self._momentum = 1 - momentum
        for name, array in stats.items():
            self.register_buffer(name, torch.from_numpy(self.layout(name, array).copy()))

    def layout(self, name, array):
        return (array if self._outputs is None else array[..., self._outputs]).ravel()

    def forward(self, x, mode):
        """mode: "train" updates the running statistics, "batch" does not, "running" uses them."""
        mean, var = (None, None) if mode == "batch" else (self.mean, self.var)
        training = mode != "running"
        return F.batch_norm(x, mean, var, self.scale, self.bias, training, self._momentum, 1e-5)


LAYERS = {"Dense": Dense, "hidden": Dense, "out": Dense, "embed": Embedding}
LAYERS |= {"Conv": Conv, "ConvT": ConvT}
NORMS = ("BatchNorm", "norm")


class Net(nn.Module):
    """Layers, and nets within it, by our names, from our trees of weights and of statistics."""

    def __init__(self, tree, stats, orders=None, momentum=0.9):
        """orders: {layer: {"inputs" or "outputs": unit_order}}, nested for a net within it."""
        super().__init__()
        self._kinds, orders = {kind: [] for kind in (*LAYERS, *NORMS)}, orders or {}
        for name in sorted(tree, key=lambda n: (len(str(n)), n)):  # Conv_2 before Conv_10
            kind, order = name.partition("_")[0], orders.get(name, {})
            if kind in NORMS:
                module = Norm(tree[name], stats[name], momentum=momentum, **order)
            elif kind in LAYERS:
                module = LAYERS[kind](tree[name], **order)
            else:
                module = Net(tree[name], stats.get(name, {}), order, momentum)
            self.add_module(name, module)
            self._kinds.setdefault(kind, []).append(module)

    def all(self, kind: str) -> list[nn.Module]:
        """Return the layers of one kind in their order."""
        return self._kinds[kind]


def leaky(slope):
    """Return a leaky ReLU."""
    return lambda x: F.leaky_relu(x, slope)


SQUASH = {"tanh": torch.tanh, "sigmoid": torch.sigmoid}
# {net: activations of the generator, of D's first block, of D's other blocks}: Radford et al. 2016,
# S2's tables (D20), S3's text (D16), MGAN's code.
ACTIVATIONS = {
    "dcgan": (F.relu, leaky(0.2), leaky(0.2)),
    "s2": (F.relu, F.elu, F.elu),
    "hdcgan": (F.selu, leaky(0.1), F.selu),
    "mgan": (F.relu, leaky(0.2), leaky(0.2)),
    "mgan_mnist": (F.relu, leaky(0.2), leaky(0.2)),
}
PERCEPTRONS = {"keras": leaky(0.2), "mlp": F.relu}


def _halved(size, times):
    for _ in range(times):
        size = -(-size // 2)
    return size


class GanNet(Net):
    """A net of a method; hp and spec: our Settings and DataSpec."""

    momentum: ClassVar[float] = 0.9

    def __init__(self, tree, stats, hp, spec):
        super().__init__(tree, stats, self.orders(tree, hp, spec), self.momentum)
        self.hp, self.spec = hp, spec

    def orders(self, tree, hp, spec):
        """Return the orders of a Net."""
        raise NotImplementedError


class Gen(GanNet):
    """Dense, then transposed convolutions; the first layers of a mixture's generators are one."""

    def orders(self, tree, hp, spec):
        n, channels = sum("ConvT" in name for name in tree), tree["ConvT_0"]["kernel"].shape[-1]
        order = {"outputs": unit_order(_halved(spec.size, n), channels)}
        orders = {"Dense_0": order, "BatchNorm_0": order}
        return {"private": orders} if "private" in tree else orders

    def forward(self, z, mode):
        act, norms = ACTIVATIONS[self.hp.net][0], self.all("BatchNorm")
        first = self.private if "private" in self._modules else self
        h = first.Dense_0(z)
        if first.all("BatchNorm"):
            h = first.BatchNorm_0(h, mode)
            norms = norms[1:] if first is self else norms
        layers = self.all("ConvT")
        side = _halved(self.spec.size, len(layers))
        x = F.relu(h).reshape(-1, len(layers[0].kernel), side, side)
        for i, layer in enumerate(layers):
            x = layer(x, _halved(self.spec.size, len(layers) - 1 - i))
            if i < len(layers) - 1:
                x = act(norms[i](x, mode) if norms else x)
        return SQUASH[self.hp.pixels](x)


class Disc(GanNet):
    """forward: (logits [N], features [N, F], class logits [N, K] or None)."""

    def orders(self, tree, hp, spec):
        trunk = tree["Trunk_0"]
        n = sum("Conv" in name for name in trunk)
        channels = trunk[f"Conv_{n - 1}"]["kernel"].shape[-1]
        order = {"inputs": unit_order(_halved(spec.size, n), channels)}
        return {"Dense_0": order, "Dense_1": order}

    def features(self, x, mode):
        """Compute features [N, F] by strided convolutions."""
        _, first, rest = ACTIVATIONS[self.hp.net]
        layers, norms = self.Trunk_0.all("Conv"), self.Trunk_0.all("BatchNorm")
        bare = len(layers) - len(norms)  # blocks without a norm come first
        for i, layer in enumerate(layers):
            x = layer(x)
            x = x if i < bare else norms[i - bare](x, mode)
            x = rest(x) if i else first(x)
        return x.flatten(1)

    def forward(self, x, mode):
        features, (logit, *classes) = self.features(x, mode), self.all("Dense")
        return logit(features)[:, 0], features, classes[0](features) if classes else None


class Enc(Disc):
    """forward: codes [N, z_dim]."""

    def forward(self, x, mode):
        return self.Dense_0(self.features(x, mode))


class MlpGen(GanNet):
    """A perceptron; S2's has LeakyReLU, then BatchNorm of momentum 0.8."""

    momentum = 0.8

    def orders(self, tree, hp, spec):
        return {"out": {"outputs": unit_order(spec.size, spec.colors)}}

    def forward(self, z, mode):
        norms, size = self.all("norm"), self.spec.size
        for i, layer in enumerate(self.all("hidden")):
            z = PERCEPTRONS[self.hp.net](layer(z))
            z = norms[i](z, mode) if norms else z
        return SQUASH[self.hp.pixels](self.out(z)).reshape(-1, self.spec.colors, size, size)


class MlpDisc(GanNet):
    """A perceptron without norms; forward as Disc."""

    def orders(self, tree, hp, spec):
        return {"Dense_0": {"inputs": unit_order(spec.size, spec.colors)}}

    def forward(self, x, mode):
        *hidden, logit = self.all("Dense")
        x = x.flatten(1)
        for layer in hidden:
            x = PERCEPTRONS[self.hp.net](layer(x))
        return logit(x)[:, 0], x, None


class S1Gen(GanNet):
    """S1, section VII: noise times the class embedding, upsampling, norms behind the ReLU."""

    momentum = 0.8

    def orders(self, tree, hp, spec):
        return {"net": {"Dense_0": {"outputs": unit_order(spec.size // 4, hp.width)}}}

    def forward(self, z, y, mode):
        (norm, *norms), (*convs, last) = self.net.all("BatchNorm"), self.net.all("Conv")
        side = self.spec.size // 4
        x = self.net.Dense_0(z * self.embed(y)).reshape(-1, self.hp.width, side, side)
        x = norm(F.relu(x), mode)
        for conv, norm in zip(convs, norms, strict=True):
            x = norm(F.relu(conv(F.interpolate(x, scale_factor=2.0), 1)), mode)
        return torch.tanh(last(x, 1))


class S1Disc(GanNet):
    """S1, section VII: dropout, norms behind the second and third LeakyReLU; forward as Disc."""

    momentum = 0.8

    def orders(self, tree, hp, spec):
        channels = tree["Conv_3"]["kernel"].shape[-1]
        order = {"inputs": unit_order(_halved(spec.size, 3), channels)}
        return {"Dense_0": order, "Dense_1": order}

    def forward(self, x, mode, noise):
        for i, conv in enumerate(self.all("Conv")):
            x = noise.dropout(F.leaky_relu(conv(x, 2 if i < 3 else 1), 0.2), 0.25)
            x = self.all("BatchNorm")[i - 1](x, mode) if i in (1, 2) else x
        x = x.flatten(1)
        return self.Dense_0(x)[:, 0], x, self.Dense_1(x)


class Classifier(Net):
    """Pre-activation residual blocks (He et al. 2016); forward: class logits [N, K]."""

    def forward(self, x, mode):
        convs, norms, size = iter(self.all("Conv")), iter(self.all("BatchNorm")), x.shape[-1]
        x = next(convs)(x, 2 if size > 16 else 1)
        for i in range(len(self.all("BatchNorm")) // 2):
            y = F.relu(next(norms)(x, mode))
            stride = 2 if i or size > 32 else 1
            short = next(convs)(y, stride) if stride == 2 else x
            y = F.relu(next(norms)(next(convs)(y, stride), mode))
            x = short + next(convs)(y, 1)
        return self.Dense_0(F.relu(next(norms)(x, mode)).mean((2, 3)))


NETS = {  # {net: {our name: class}}
    **{net: {"gen": Gen, "disc": Disc, "enc": Enc} for net in ACTIVATIONS},
    **{net: {"gen": MlpGen, "disc": MlpDisc} for net in PERCEPTRONS},
    "s1": {"gen": S1Gen, "disc": S1Disc},
}


def build(params: dict, stats: dict, hp: Any, spec: Any) -> dict[str, Net]:
    """Build all nets of a method; params, stats: {net: our tree of numpy arrays}."""
    return {n: NETS[hp.net][n](params[n], stats[n], hp, spec) for n in params}
