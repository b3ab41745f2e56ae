import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics.features import extractor
from tests.metrics.helpers import random_dataset


def test_rows_of_unequal_length_are_refused():
    widths = iter((2, 3))

    def embed(images):
        return np.zeros((len(images), next(widths))), None

    apply = extractor.batched_apply(embed, "It", 4)
    with pytest.raises(errors.InputError, match="It gives some images more features than others"):
        apply(random_dataset(8).images)


def test_the_last_batch_is_filled():
    sizes = []

    def embed(images):
        sizes.append(len(images))
        return images.mean((1, 2)), None

    images = random_dataset(7).images
    found, _ = extractor.batched_apply(embed, "It", 4, fill=True)(images)
    assert sizes == [4, 4]
    np.testing.assert_allclose(found, images.mean((1, 2)), rtol=1e-6)
