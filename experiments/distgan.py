"""Dist-GAN: an auto-encoder constrains a GAN by distances in latent space and in D's feature space.

Paper: Tran, Bui and Cheung, "Dist-GAN: An Improved GAN using Distance Constraints", ECCV 2018; S3's baseline. The defaults are
what its released code runs with the log loss; every other reading is a flag (docs/discrepancies.md). Flagfiles in
experiments/flagfiles: distgan_quick (minutes on 2 cores), distgan_64, distgan_galaxyzoo128 (S3's setting, a GPU),
distgan_smoke (seconds).
"""

from experiments import common

METHOD = "distgan"
DEFAULTS = {}

if __name__ == "__main__":
    common.main("distgan", METHOD, DEFAULTS, __doc__)
