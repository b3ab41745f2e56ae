"""AC-GAN: the generator is given a class, and the discriminator tells the class as well as real from generated.

Paper: Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017; S1, section VII, whose
nets these are, with Odena's loss (S1 never writes its own down; --fake_class=extra is that of the code nearest to S1).
Flagfiles in experiments/flagfiles: acgan_quick (Fashion-MNIST, minutes on 2 cores), acgan_s1 (the paper's setting), acgan_smoke
(seconds). The other net that S1 describes is experiments.acgan_s1_section4.
"""

from experiments import common

METHOD = "acgan"
DEFAULTS = {"net": "s1", "width": 128, "init": "xavier", "prior": "normal", "cond_gen": "product", "batch": 100, "size": 28}

if __name__ == "__main__":
    common.main("acgan", METHOD, DEFAULTS, __doc__)
