"""AC-GAN: G gets a class, and D tells the class as well as real from generated.

S1 never writes the class term down (D19). Here both players minimise the cross-entropy of the class
head: D on real and generated images (see `fake_class`), G on its own.

Source: Odena et al. 2017; S1, section VII.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import losses, parallel
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Method
from gan_jax.core.parallel import mean
from gan_jax.errors import InputError
from gan_jax.methods import base, gan
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults: GAN's, conditioned on labels."""

    condition: str = setting(
        "labels", "what G is told: labels, attributes", choices=("labels", "attributes")
    )
    cond_gen: str = gan.COND_GEN
    lambda_c: float = setting(1.0, "weight of the class term of D", low=0.0)
    lambda_c_gen: float = setting(
        1.0,
        "weight of the class term of G; Gulrajani et al. 2017 use 0.1; a large one makes G drop "
        "hard images",
        low=0.0,
    )
    fake_class: str = setting(
        "asked",
        "what D's class head learns from generated images: asked (their class: Odena), extra (a "
        "class more, for them: the code nearest to S1, D19), none (D and G then cannot agree on "
        "signs of their own: Gulrajani et al.)",
        choices=("asked", "extra", "none"),
    )


def head_spec(n_classes: int) -> gan.HeadSpec:
    """Make the HeadSpec: fakes of uniform classes, and the class terms of both players."""

    def sample_classes(key, shape):
        return jax.random.randint(key, shape, 0, n_classes)

    def generate(ctx, vs, key, batch):
        n = base.n_images(batch)
        class_key = fold(key, KeyStream.TRAINING_CONDITION)
        classes = parallel.random_rows(ctx, sample_classes, class_key, (n,))
        images, vs = base.generate(ctx, vs, key, n, classes)
        return (images, classes), vs

    def disc_term(ctx, batch, real, fake, classes):
        extra = ctx.hp.fake_class == "extra"
        target = jnp.full_like(classes, n_classes) if extra else classes
        term = mean(ctx, losses.cross_entropy(real.classes, batch["label"]))
        if ctx.hp.fake_class != "none":
            term += mean(ctx, losses.cross_entropy(fake.classes, target))
        accuracies = {
            "real_class": mean(ctx, real.classes.argmax(-1) == batch["label"]),
            "fake_class": mean(ctx, fake.classes.argmax(-1) == target),
        }
        return ctx.hp.lambda_c * term, accuracies

    def gen_term(ctx, batch, real, fake, classes):
        term = mean(ctx, losses.cross_entropy(fake.classes, classes))
        return ctx.hp.lambda_c_gen * term, {"class_term": term}

    return gan.HeadSpec(generate, disc_term=disc_term, gen_term=gen_term)


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    gan.check(hp, spec)
    if base.family(hp).reads_condition:
        raise InputError(f"--net={hp.net} shows D the class that it shall tell; use --net=dcgan.")


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for images with classes."""
    n = len(spec.classes)
    n_outputs = n + (hp.fake_class == "extra")
    return Method(
        nets={
            "gen": base.build_generator(hp, spec, gan.conditioning_mode(hp, "gen")),
            "disc": base.build_discriminator(hp, spec, n_classes=n_outputs),
        },
        example_inputs=base.example_inputs(hp, spec, "disc", gen_y=jnp.zeros((2,), jnp.int32)),
        players=gan.players(hp, steps, head_spec(n)),
        latent=gan.class_latent(spec),
        sample=base.sample,
        steps=steps,
        conditioning=gan.class_conditioning(spec),
        **base.common_fields(hp),
    )
