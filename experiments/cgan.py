"""CGAN: generator and discriminator are told the class, or attributes, of each image.

Paper: Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014; S1's eq. 2 and S4. Here with convolutions;
--net=maxout_cgan is the paper's own net. --cond_gen and --cond_disc say how the nets are told; --condition=attributes takes
classes apart that are named by attributes, as --data=celeba:DIR --labels=Male,Smiling makes them. Flagfiles in
experiments/flagfiles: cgan_quick (MNIST, minutes on 2 cores), cgan_mlp (the paper's net and rates), cgan_celeba64 (attributes;
a GPU), cgan_smoke.
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {"condition": "labels", "init": "normal", "net": "s2", "size": 28}

if __name__ == "__main__":
    common.main("cgan", METHOD, DEFAULTS, __doc__)
