"""Morpho-GAN (S3): Dist-GAN's three players with SELU and BatchNorm nets, noise at D's input and DRAGAN's penalty.

An encoder, a generator and a discriminator are trained in turns: the encoder reconstructs images through the generator in D's
feature space while keeping distances between codes and images in proportion; D is penalised for steep slopes near real
images; G closes the gap between D's mean scores of real and generated images.

Paper: Abduazimov and Jo, "Morpho-GAN: Unsupervised Learning of Data with High Morphology using Generative Adversarial
Networks". Flagfiles in experiments/flagfiles: morpho_quick (minutes on 2 cores), morpho_64, morpho_galaxyzoo128 (the paper's
setting, a GPU), morpho_smoke (seconds).
"""

from experiments import common

METHOD = "distgan"
DEFAULTS = {"net": "hdcgan", "penalty": "dragan", "penalty_norm": "l2", "lambda_p": 10.0, "input_noise": 0.05}

if __name__ == "__main__":
    common.main("morpho", METHOD, DEFAULTS, __doc__)
