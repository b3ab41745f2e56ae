"""Classifiers of images, whose features also serve metrics: a small ResNet and a perceptron."""

import flax.linen as nn

from gan_jax.nets import layers

WIDTHS = (16, 32, 64)
_WEIGHTS = layers.WeightOptions("lecun")


class Classifier(nn.Module):
    """Residual blocks of growing width, then the average over the image.

    The first layer halves if the shorter side is above 16, and the first block if it is above 32,
    so that 64 pixels cost little more than 32; every later block halves too.

    Input: [N, H, W, C] float32 in [-1, 1], H and W >= 8.
    Returns: (features float32 [N, widths[-1]], >= 0; logits float32 [N, n_classes]).
    """

    n_classes: int
    widths: tuple[int, ...] = WIDTHS
    axis: str | None = None  # see family.Net

    @nn.compact
    def __call__(self, x, train=False):
        size = min(x.shape[1:3])
        stride = 2 if size > 16 else 1
        x = layers.Conv(self.widths[0], 5, stride, use_bias=False, weights=_WEIGHTS)(x)
        for i, width in enumerate(self.widths):
            x = self._block(x, width, 2 if i or size > 32 else 1, train)
        features = nn.relu(layers.batch_norm(self, train)(x)).mean((1, 2))
        return features, nn.Dense(self.n_classes)(features)

    def _block(self, x, width, stride, train):
        """Apply a pre-activation residual block.

        Source: He et al. 2016, "Identity mappings in deep residual networks", figure 1b.
        """

        def conv(x, kernel, stride):
            return layers.Conv(width, kernel, stride, use_bias=False, weights=_WEIGHTS)(x)

        y = nn.relu(layers.batch_norm(self, train)(x))
        shortcut = x if width == x.shape[-1] and stride == 1 else conv(y, 1, stride)
        y = nn.relu(layers.batch_norm(self, train)(conv(y, 3, stride)))
        return shortcut + conv(y, 3, 1)


class Perceptron(nn.Module):
    """One hidden layer of widths[0] units with BatchNorm and ReLU.

    For demonstration pages that train a classifier in seconds. Input and result: see Classifier.
    """

    n_classes: int
    widths: tuple[int, ...]
    axis: str | None = None  # see family.Net

    @nn.compact
    def __call__(self, x, train=False):
        weights = layers.WeightOptions("he")
        x = layers.Dense(self.widths[0], use_bias=False, weights=weights)(layers.flatten(x))
        features = nn.relu(layers.batch_norm(self, train)(x))
        return features, nn.Dense(self.n_classes)(features)
