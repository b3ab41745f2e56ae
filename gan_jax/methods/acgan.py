"""AC-GAN: G gets a class, and D tells the class as well as real from generated.

S1 never writes the class term down (D19). Here each player minimises a term of the class head, by
`class_loss`: D's on real and, mostly, on generated images, G's on its own.

Source: Odena et al. 2017; S1, section VII.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.core import class_losses, losses, parallel
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Method, StepContext
from gan_jax.core.parallel import mean
from gan_jax.errors import InputError
from gan_jax.methods import base, conditions, gan
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.nets.outputs import DiscOutput
from gan_jax.settings import setting


class ClassHead(NamedTuple):
    """A class head of D, and what both players minimise of it.

    In its functions `real` and `fake` are outputs of D, `label` the classes of the real images,
    int [B], -1 for unknown, and `asked` those that G was given, int [B].
    """

    n_outputs: Callable  # (settings, number of classes K) -> outputs of the head
    # (ctx, real, label, fake, asked) -> []
    disc_term: Callable[[StepContext, DiscOutput, jax.Array, DiscOutput, jax.Array], jax.Array]
    gen_term: Callable[[StepContext, DiscOutput, jax.Array], jax.Array]  # (ctx, fake, asked) -> []
    # (ctx, asked, K) -> classes int [B] that D is right to give generated images, for the log
    target: Callable = lambda ctx, asked, n: asked
    is_cosine: bool = False  # outputs are cosines of an embedding, not logits


def _cross_entropy_disc(ctx, real, label, fake, asked):
    term = mean(ctx, losses.cross_entropy(real.classes, label))
    if ctx.hp.fake_class != "none":
        target = _softmax_target(ctx, asked, real.classes.shape[-1] - 1)
        term += mean(ctx, losses.cross_entropy(fake.classes, target))
    return term


def _cross_entropy_gen(ctx, fake, asked):
    return mean(ctx, losses.cross_entropy(fake.classes, asked))


def _softmax_target(ctx, asked, n_classes):
    return jnp.full_like(asked, n_classes) if ctx.hp.fake_class == "extra" else asked


def _d2d(ctx, output, label):
    hp = ctx.hp
    terms = class_losses.d2d_cross_entropy(
        ctx, output.embedding, output.classes, label, hp.d2d_margin, hp.d2d_temperature
    )
    return mean(ctx, terms)


def _d2d_disc(ctx, real, label, fake, asked):
    """Of real images alone (Kang et al. 2021, algorithm 1)."""
    return _d2d(ctx, real, label)


def _adc_disc(ctx, real, label, fake, asked):
    """Classes 0 to K - 1 are of real images, K to 2K - 1 of generated ones."""
    on_real = mean(ctx, losses.cross_entropy(real.classes, label))
    n_classes = fake.classes.shape[-1] // 2
    return on_real + mean(ctx, losses.cross_entropy(fake.classes, asked + n_classes))


def _adc_gen(ctx, fake, asked):
    """Return the mean of log C(asked, generated) - log C(asked, real): a difference of logits."""
    n_classes = fake.classes.shape[-1] // 2
    as_real, as_fake = (
        jnp.take_along_axis(fake.classes, (asked + shift)[:, None], -1) for shift in (0, n_classes)
    )
    return mean(ctx, as_fake - as_real)


CLASS_LOSSES: dict[str, ClassHead] = {
    # Odena et al. 2017; see fake_class.
    "ce": ClassHead(
        lambda hp, n: n + (hp.fake_class == "extra"),
        _cross_entropy_disc,
        _cross_entropy_gen,
        _softmax_target,
    ),
    # ReACGAN (Kang et al. 2021).
    "d2d_ce": ClassHead(lambda hp, n: n, _d2d_disc, _d2d, is_cosine=True),
    # ADC-GAN (Hou et al. 2022, section 4): with an ideal D, G's term is the divergence of the
    # generated images of each class from the real ones, and not only their class.
    "adc": ClassHead(lambda hp, n: 2 * n, _adc_disc, _adc_gen, lambda ctx, asked, n: asked + n),
}


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults: GAN's, conditioned on labels."""

    condition: str = setting(
        "labels", "what G is told: labels, attributes", choices=("labels", "attributes")
    )
    cond_gen: str = gan.COND_GEN
    lambda_c: float = setting(
        1.0, "weight of the class term of D; Kang et al. 2021 use 0.5 with d2d_ce", low=0.0
    )
    lambda_c_gen: float = setting(
        1.0,
        "weight of the class term of G; Gulrajani et al. 2017 use 0.1; a large one makes G drop "
        "hard images",
        low=0.0,
    )
    class_loss: str = setting(
        "ce",
        "the class head and its loss: ce (cross-entropy, see fake_class), d2d_ce (cosines with "
        "classes and other images: ReACGAN), adc (a class of real and one of generated images for "
        "each class: ADC-GAN)",
        choices=tuple(CLASS_LOSSES),
    )
    fake_class: str = setting(
        "asked",
        "ce: what D's class head learns from generated images: asked (their class: Odena), extra "
        "(a class more, for them: the code nearest to S1, D19), none (D and G then cannot agree on "
        "signs of their own: Gulrajani et al.)",
        choices=("asked", "extra", "none"),
    )
    d2d_dim: int = setting(512, "d2d_ce: length of the embedding", low=2)
    d2d_margin: float = setting(
        0.98,
        "d2d_ce: cosine from which an image is near enough to its class; up to 1 less that, it is "
        "far enough from images of other classes",
        low=-1.0,
        high=1.0,
    )
    d2d_temperature: float = setting(0.5, "d2d_ce: what cosines are divided by", above=0.0)
    absent_classes: bool = setting(
        False,
        "train on generated images of classes without training images, too, as runs of 0.1 do",
        before=True,
    )


def head_spec(n_classes: int, present: tuple[int, ...] = ()) -> gan.HeadSpec:
    """Make the HeadSpec: fakes of uniform classes, and the class terms of both players.

    Args:
      n_classes: number of classes.
      present: the classes that have training images, which fakes are of; () for all.
    """

    def sample_classes(key, shape):
        if len(present) in (0, n_classes):
            return jax.random.randint(key, shape, 0, n_classes)
        return jnp.asarray(present)[jax.random.randint(key, shape, 0, len(present))]

    def generate(ctx, vs, key, batch):
        n = base.n_images(batch)
        class_key = fold(key, KeyStream.TRAINING_CONDITION)
        classes = parallel.random_rows(ctx, sample_classes, class_key, (n,))
        images, vs = base.generate(ctx, vs, key, n, classes)
        return (images, classes), vs

    def disc_term(ctx, batch, real, fake, classes):
        head, label = CLASS_LOSSES[ctx.hp.class_loss], batch["label"]
        term = head.disc_term(ctx, real, label, fake, classes)
        target = head.target(ctx, classes, n_classes)
        accuracies = {
            "real_class": mean(ctx, real.classes.argmax(-1) == label),
            "fake_class": mean(ctx, fake.classes.argmax(-1) == target),
        }
        return ctx.hp.lambda_c * term, accuracies

    def gen_term(ctx, batch, real, fake, classes):
        term = CLASS_LOSSES[ctx.hp.class_loss].gen_term(ctx, fake, classes)
        return ctx.hp.lambda_c_gen * term, {"class_term": term}

    return gan.HeadSpec(generate, disc_term=disc_term, gen_term=gen_term)


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    gan.check(hp, spec)
    if base.family(hp).reads_condition:
        raise InputError(f"--net={hp.net} shows D the class that it shall tell; use --net=dcgan.")
    if hp.class_loss != "ce" and hp.fake_class != "asked":
        raise InputError(
            f"--fake_class={hp.fake_class} is of --class_loss=ce; leave --fake_class out, or use "
            "--class_loss=ce."
        )


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for images with classes."""
    n, head = len(spec.classes), CLASS_LOSSES[hp.class_loss]
    by_class = conditions.by_class(spec)
    drawn = () if hp.absent_classes else by_class.shown
    options = {"embedding": hp.d2d_dim} if head.is_cosine else {}
    disc = base.build_discriminator(hp, spec, n_classes=head.n_outputs(hp, n), **options)
    return Method(
        nets={"gen": base.build_generator(hp, spec, conditions.reading(hp, "gen")), "disc": disc},
        example_inputs=base.example_inputs(hp, spec, "disc", gen_y=jnp.zeros((2,), jnp.int32)),
        players=gan.players(hp, steps, head_spec(n, drawn)),
        latent=conditions.class_latent(spec),
        sample=base.sample,
        steps=steps,
        conditioning=by_class,
        **base.common_fields(hp),
    )
