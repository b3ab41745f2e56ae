"""What papers print of Stacked MNIST, to be read beside a study's own table.

Modes of 1,000 and KL in nats. VEEGAN's setting: nets of DCGAN, 50 epochs of 128,000 stacks, 26,000
samples. Unrolled GAN's: smaller nets, a D of half or a quarter of G's size, 25,600 samples.
"""

from gan_jax.studies.table_format import Table

_VEEGAN = "Srivastava et al. 2017 (VEEGAN), table 1"
_PACGAN = "Lin et al. 2018 (PacGAN), tables 2 and 3"
_UNROLLED = "Metz et al. 2017 (Unrolled GAN), by Lin et al. 2018"
_R3GAN = "Huang et al. 2024 (R3GAN)"
_ROWS = {
    "veegan": [
        ["DCGAN", "as G", "99", "3.40", _VEEGAN],
        ["ALI", "as G", "16", "5.40", _VEEGAN],
        ["Unrolled GAN", "as G", "48.7", "4.32", _VEEGAN],
        ["VEEGAN", "as G", "150", "2.95", _VEEGAN],
        ["DCGAN", "as G", "78.9", "4.50", _PACGAN],
        ["PacGAN of 2 images", "as G", "1000", "0.06", _PACGAN],
    ],
    "unrolled": [
        ["DCGAN", "a quarter", "30.6", "", _UNROLLED],
        ["Unrolled GAN of 10 steps", "a quarter", "327", "", _UNROLLED],
        ["PacGAN of 4 images", "a quarter", "667", "", _PACGAN],
        ["DCGAN", "half", "628", "", _UNROLLED],
        ["Unrolled GAN of 10 steps", "half", "817", "", _UNROLLED],
        ["PacGAN of 4 images", "half", "820", "", _PACGAN],
    ],
}
_OTHER_NETS = [
    ["pair loss with R1 and R2", "other nets", "1000", "0.08", _R3GAN],
    ["plain loss with R1 and R2", "other nets", "693", "0.93", _R3GAN],
]


def table(net: str) -> Table:
    """Build the table of published values for the nets of --net; for unknown nets, of all."""
    rows = _ROWS.get(net) or [row for rows in _ROWS.values() for row in rows]
    head = ["system", "D", "modes", "KL (nats)", "source"]
    return Table("Published, for far longer training", [head, *rows, *_OTHER_NETS], prose=True)
