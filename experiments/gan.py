"""GAN: two fully connected nets, one that makes images and one that tells them from real ones, trained against each other.

Paper: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014; S2's first system, whose nets S2 does not describe:
those of the public script that shows its numbers (three layers of 256 to 1,024 units, batch 32, Adam 2e-4). Flagfiles in
experiments/flagfiles: gan_quick (S2's on MNIST, minutes on 2 cores), gan_maxout (Goodfellow's own: maxout, dropout, momentum
schedule, simultaneous updates), gan_smoke (seconds). They expect MNIST's four files in data/mnist; --data says where yours
are.
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {"net": "keras", "width": 256, "prior": "normal", "batch": 32, "size": 28}

if __name__ == "__main__":
    common.main("gan", METHOD, DEFAULTS, __doc__)
