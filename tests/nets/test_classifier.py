import jax
import numpy as np
import pytest

from gan_jax.nets.classifier import Classifier


@pytest.mark.parametrize("size, channels", [(8, 1), (28, 1), (33, 4), (64, 3), (128, 2)])
def test_any_size_and_channels(size, channels):
    net = Classifier(5, widths=(4, 8, 12))
    x = jax.ShapeDtypeStruct((2, size, size, channels), np.float32)
    shapes = jax.eval_shape(lambda x: net.init_with_output(jax.random.key(0), x)[0], x)
    assert [s.shape for s in shapes] == [(2, 12), (2, 5)]
