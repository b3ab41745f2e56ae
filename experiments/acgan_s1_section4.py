"""The other network of S1: its sections IV and V describe a DCGAN without classes, and a rule that balances the two players.

Paper: Mudavathu and Chandra Sekhara Rao, "Building Adverserial networks to augment Image Data Sets" (S1); nets and rates are
those of the public script that its text follows (kernels of 5, dropout, RMSprop). In every step only the player with the
larger loss is trained (--balance; --nobalance for the script's own way). S1's table of losses is in docs/discrepancies.md
(D19), to be read beside metrics.jsonl. Flagfiles in experiments/flagfiles: acgan_s1_section4 (10,000 iterations on
Fashion-MNIST; a GPU), acgan_s1_section4_quick (an eighth of its width), acgan_s1_section4_smoke (seconds).
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {
    "net": "s1_section4",
    "pixels": "sigmoid",
    "optimizer": "rmsprop",
    "beta2": 0.9,
    "lr": 1e-4,
    "lr_disc": 2e-4,
    "balance": True,
    "batch": 256,
    "size": 28,
}

if __name__ == "__main__":
    common.main("acgan_s1_section4", METHOD, DEFAULTS, __doc__)
