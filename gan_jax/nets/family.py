"""What every net family is."""


class Family:
    """Builds nets from settings.

    gen(hp, shape, weights), with n_gens=0 where it mixes; disc(hp, shape, weights, n_classes=0); enc(hp, shape, weights).
    conditions: whether its nets read a class or attributes by themselves. mixes: whether its generator can be a mixture.
    points: whether its nets also take points.
    """

    reads_condition = supports_mixture = supports_points = False

    def check(self, shape):
        """Refuses images that the nets cannot make or see. shape: base.DataSpec. Raises InputError."""
