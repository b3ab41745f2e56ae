"""A small residual classifier: the judge of class balance and the feature space of the Frechet distance. And a perceptron,
for pages that train one in seconds."""

import flax.linen as nn

from gan_jax.nets import layers

WIDTHS = (16, 32, 64)


class Classifier(nn.Module):
    """Residual blocks of growing width, then the average over the image.

    The first layer and the first block halve the side where it is larger (than 16 and 32 pixels), so that 64 pixels
    cost little more than 32; every later block halves it too.

    Input: [N, S, S, C] float32 in [-1, 1], S >= 8. Returns (features float32 [N, widths[-1]], >= 0; logits float32
    [N, n_classes]).
    """

    n_classes: int
    widths: tuple = WIDTHS
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        size = x.shape[1]
        x = layers.Conv(
            self.widths[0],
            kernel=5,
            stride=2 if size > 16 else 1,
            use_bias=False,
            weights=layers.Weights("lecun"),
        )(x)
        for i, width in enumerate(self.widths):
            x = self._block(x, width, 2 if i or size > 32 else 1, train)
        features = nn.relu(layers.norm(self, train)(x)).mean((1, 2))
        return features, nn.Dense(self.n_classes)(features)

    def _block(self, x, width, stride, train):
        """Pre-activation residual block (He et al. 2016, "Identity mappings in deep residual networks", figure 1b)."""
        y = nn.relu(layers.norm(self, train)(x))
        same = width == x.shape[-1] and stride == 1
        short = (
            x
            if same
            else layers.Conv(
                width, kernel=1, stride=stride, use_bias=False, weights=layers.Weights("lecun")
            )(y)
        )
        y = layers.Conv(
            width, kernel=3, stride=stride, use_bias=False, weights=layers.Weights("lecun")
        )(y)
        y = nn.relu(layers.norm(self, train)(y))
        return short + layers.Conv(
            width, kernel=3, stride=1, use_bias=False, weights=layers.Weights("lecun")
        )(y)


class Perceptron(nn.Module):
    """One hidden layer of widths[0] units, normalised, ReLU. Input and outputs: see Classifier."""

    n_classes: int
    widths: tuple
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        hidden = layers.Dense(self.widths[0], use_bias=False, weights=layers.Weights("he"))(
            layers.flatten(x)
        )
        features = nn.relu(layers.norm(self, train)(hidden))
        return features, nn.Dense(self.n_classes)(features)
