"""The players of the workloads in PyTorch: losses from their formulas, and the update step of a run.

Sources as in gan_jax/methods, gan_jax/core/penalties.py and docs/discrepancies.md. What is random comes from `draws`, in the order
in which our losses draw it: from PyTorch's generator in timing, and from what ours drew where the two are compared.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Draws:
    """From PyTorch's generator, on one device."""

    def __init__(self, device):
        self._device = device

    def uniform(self, shape, low=0.0, high=1.0):
        return torch.empty(shape, device=self._device).uniform_(low, high)

    def normal(self, shape):
        return torch.randn(shape, device=self._device)

    def integers(self, n, shape):
        return torch.randint(n, shape, device=self._device)

    def dropout(self, x, rate):
        return F.dropout(x, rate)


class Replay:
    """The arrays that ours drew, one after another, as torch tensors in PyTorch's layout."""

    def __init__(self, tensors):
        self._left = list(tensors)

    def _next(self, shape):
        tensor = self._left.pop(0)
        if tensor.shape != torch.Size(shape):
            raise ValueError(f"Ours drew {tuple(tensor.shape)} where {tuple(shape)} is drawn here.")
        return tensor

    def uniform(self, shape, low=0.0, high=1.0):
        return self._next(shape)

    def normal(self, shape):
        return self._next(shape)

    def integers(self, n, shape):
        return self._next(shape)

    def dropout(self, x, rate):
        return torch.where(self._next(x.shape) < 1 - rate, x / (1 - rate), 0.0)

    def close(self):
        """Refuses numbers that are left: ours would have drawn more."""
        if self._left:
            raise ValueError(f"Ours drew {len(self._left)} arrays more.")


def bce(logit, target):
    """Mean binary cross-entropy against one target."""
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


class Adversarial(NamedTuple):
    """Mean losses of logits: D's for reals, D's for fakes, G's for fakes."""

    real: Callable
    fake: Callable
    gen: Callable


ADVERSARIAL = {
    "ns": Adversarial(lambda d: bce(d, 1.0), lambda d: bce(d, 0.0), lambda d: bce(d, 1.0)),
    "wasserstein": Adversarial(lambda d: -d.mean(), lambda d: d.mean(), lambda d: -d.mean()),
}


class Model:
    """What the losses read. nets: {name: torch_nets module}. hp: our settings. n_classes: of the data. progress: of the run."""

    def __init__(self, nets, hp, n_classes, slope):
        self.nets, self.hp, self.n_classes, self.slope, self.progress = (
            nets,
            hp,
            n_classes,
            slope,
            0.0,
        )

    def noise(self, draws, n):
        """[n, z_dim]"""
        shape = (n, self.hp.z_dim)
        return draws.normal(shape) if self.hp.prior == "normal" else draws.uniform(shape, -1.0, 1.0)

    def judge(self, draws, x, how="train"):
        """D of images as it sees them, with input noise (D16)."""
        if self.hp.input_noise:
            x = x + self.hp.input_noise * draws.normal(x.shape)
        return self.disc(draws, x, how)

    def disc(self, draws, x, how):
        """D of images; its net may have dropout."""
        return (
            self.nets["disc"](x, how, draws) if self.hp.net == "s1" else self.nets["disc"](x, how)
        )

    def penalty(self, draws, real, fake):
        """Weighted penalty on D's slope (Gulrajani et al. 2017, eq. 3; Kodali et al. 2017, notebook), or 0."""
        hp = self.hp
        if hp.penalty == "none":
            return 0.0
        one_each = (len(real), 1, 1, 1)
        if hp.penalty == "dragan":
            u = draws.uniform(real.shape)
            x = real + draws.uniform(one_each) * (0.5 * real.std(correction=0) * u)
        else:
            x = real + draws.uniform(one_each) * (fake - real)
        g = self.slope(lambda x: self.disc(draws, x, "batch")[0].sum(), x)
        norm = ((g**2).sum((1, 2, 3)) + 1e-12).sqrt()
        return hp.lambda_p * ((norm - 1) ** 2).mean()


def slope_eager(score, x):
    """The gradient of score(x) [] in x, to be differentiated again."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(score(x), x, create_graph=True)[0]


def slope_traced(score, x):
    """The same in a form that torch.compile takes into its graph."""
    return torch.func.grad(score)(x)


class Fake(NamedTuple):
    """Generated images, and what G was given for them."""

    images: torch.Tensor
    given: torch.Tensor | None = None


def plain_fake(m, batch, draws, how):
    """Of noise alone."""
    return Fake(m.nets["gen"](m.noise(draws, len(batch["image"])), how))


def class_fake(m, batch, draws, how):
    """AC-GAN: of uniform classes (Odena et al. 2017)."""
    n = len(batch["image"])
    y = draws.integers(m.n_classes, (n,))
    return Fake(m.nets["gen"](m.noise(draws, n), y, how), y)


def mixture_fake(m, batch, draws, how):
    """MGAN: the same noise through every generator."""
    images = m.nets["gen"](m.noise(draws, m.hp.gen_batch), how)
    return Fake(images, torch.arange(m.hp.n_gens, device=images.device).repeat(m.hp.gen_batch))


def no_terms(m, batch, real, fake, given):
    """Of a GAN: none beside the adversarial loss."""
    return 0.0


def class_terms(m, batch, real, fake, given):
    """AC-GAN's class terms: D's on reals and fakes, G's (real is None) on fakes."""
    on_fake = F.cross_entropy(fake[2], given)
    if real is None:
        return m.hp.lambda_c_gen * on_fake
    return m.hp.lambda_c * (F.cross_entropy(real[2], batch["label"]) + on_fake)


def mixture_terms(m, batch, real, fake, given):
    """MGAN's classifier: weight lambda_c in D, beta in G (D14)."""
    return (m.hp.beta if real is None else m.hp.lambda_c) * F.cross_entropy(fake[2], given)


def gan_losses(make, terms):
    """(D's loss, G's loss): functions (m, batch, draws, fake or None). fake: where the players share it."""

    def disc_loss(m, batch, draws, fake=None):
        loss, x = ADVERSARIAL[m.hp.loss], batch["image"]
        if fake is None:
            with torch.no_grad():
                fake = make(m, batch, draws, "batch")
        real_out, fake_out = m.judge(draws, x), m.judge(draws, fake.images.detach())
        total = (
            loss.real(real_out[0])
            + loss.fake(fake_out[0])
            + m.penalty(draws, x, fake.images.detach())
        )
        return total + terms(m, batch, real_out, fake_out, fake.given)

    def gen_loss(m, batch, draws, fake=None):
        fake = make(m, batch, draws, "train") if fake is None else fake
        out = m.judge(draws, fake.images, "batch")
        return ADVERSARIAL[m.hp.loss].gen(out[0]) + terms(m, batch, None, out, fake.given)

    return disc_loss, gen_loss


def recon_loss(m, batch, draws):
    """S3 eq. 3 as released (D06, D07): error in D's features, and the squared latent-data distance."""
    x, nets = batch["image"], m.nets
    z = m.noise(draws, len(x))
    code = nets["enc"](x, "train")
    rec = nets["gen"](code, "batch")
    with torch.no_grad():  # neither depends on the encoder
        fake_f = nets["disc"](nets["gen"](z, "batch"), "batch")[1]
        real_f = nets["disc"](x, "batch")[1]
    rec_f = nets["disc"](rec, "batch")[1]
    scale = m.hp.lambda_w or math.sqrt(m.hp.z_dim / real_f.shape[1])
    gap = (rec_f - fake_f).mean() - scale * (code - z).mean()
    return ((real_f - rec_f) ** 2).mean() + m.hp.lambda_r * gap**2


def morpho_disc_loss(m, batch, draws):
    """S3 eqs. 2 and 4: reconstructions are reals of a weight that ends at 0 (D08); DRAGAN's penalty."""
    x, nets = batch["image"], m.nets
    with torch.no_grad():
        fake = nets["gen"](m.noise(draws, len(x)), "batch")
        rec = nets["gen"](nets["enc"](x, "batch"), "batch")
    outs = [m.judge(draws, images)[0] for images in (x, rec, fake)]
    mu = min(max(2 * (0.1 * m.progress - 0.05), 0.0), 0.05)
    loss = (0.95 + mu) * bce(outs[0], 1.0) + (0.05 - mu) * bce(outs[1], 1.0) + bce(outs[2], 0.0)
    return loss + m.penalty(draws, x, fake)


def morpho_gen_loss(m, batch, draws):
    """S3 eq. 1: the difference of D's mean scores."""
    x = batch["image"]
    fake_out = m.judge(draws, m.nets["gen"](m.noise(draws, len(x)), "train"), "batch")[0]
    with torch.no_grad():
        real_out = m.judge(draws, x, "batch")[0]
    return (real_out.sigmoid().mean() - fake_out.sigmoid().mean()).abs()


class Player(NamedTuple):
    """nets: names of those it trains. loss: (m, batch, draws) -> []; where players share images also with them."""

    name: str
    nets: tuple
    loss: Callable


def _gan(make, terms):
    disc_loss, gen_loss = gan_losses(make, terms)
    return Player("disc", ("disc",), disc_loss), Player("gen", ("gen",), gen_loss)


PLAYERS = {  # our method: players in the order of their turns
    "gan": _gan(plain_fake, no_terms),
    "acgan": _gan(class_fake, class_terms),
    "mgan": _gan(mixture_fake, mixture_terms),
    "distgan": (
        Player("recon", ("enc",), recon_loss),
        Player("disc", ("disc",), morpho_disc_loss),
        Player("gen", ("gen",), morpho_gen_loss),
    ),
}
SHARED = {
    "mgan": mixture_fake
}  # methods whose players see the same minibatch and noise, and so the same images


def wanted(m, player):
    """Lets gradients flow to the weights of a player's nets alone; returns those weights."""
    for name, net in m.nets.items():
        net.requires_grad_(name in player.nets)
    return [p for name in player.nets for p in m.nets[name].parameters()]


def differentiate(m, player, loss, batch, draws, *fake):
    """A player's loss [], whose gradients are left with its weights. loss: the player's, compiled or not."""
    for weight in wanted(m, player):
        weight.grad = None
    value = loss(m, batch, draws, *fake)
    value.backward()
    return value


class Trainer:
    """The update step of a run: minibatches from resident uint8 images, every player in turn, the averaged generator.

    Args:
      method: key of PLAYERS. m: Model. optimizer: function (player's name, parameters) -> torch optimizer.
      repeats: of D. images: uint8 [N, C, H, W]; labels: int64 [N] or None. batch: images per minibatch.
      compiled: whether losses go through torch.compile. memory: torch.memory_format of images.
    """

    def __init__(self, method, m, optimizer, repeats, images, labels, batch, compiled, memory):
        self.m, self._players, self._repeats = m, PLAYERS[method], repeats
        self._images, self._labels, self._batch, self._memory = images, labels, batch, memory
        self._draws, self._made = Draws(images.device), None
        through = (lambda f: torch.compile(f, dynamic=False)) if compiled else (lambda f: f)
        self._losses = {p.name: through(p.loss) for p in self._players}
        self._make = through(SHARED[method]) if method in SHARED else None
        self._optimizers = {p.name: optimizer(p.name, wanted(m, p)) for p in self._players}
        self._gen = [p.detach() for p in m.nets["gen"].parameters()] + list(m.nets["gen"].buffers())
        self._ema = [p.clone() for p in self._gen] if m.hp.ema else []

    def _minibatch(self):
        """A minibatch of random rows, in the range of the nets."""
        rows = torch.randint(len(self._images), (self._batch,), device=self._images.device)
        x = self._images[rows].float()
        x = x / 127.5 - 1 if self.m.hp.pixels == "tanh" else x / 255
        out = {"image": x.contiguous(memory_format=self._memory)}
        return out if self._labels is None else {**out, "label": self._labels[rows]}

    def _update(self, player, batch, *fake):
        differentiate(self.m, player, self._losses[player.name], batch, self._draws, *fake)
        self._optimizers[player.name].step()

    def step(self):
        """One update of every player; of D as many as it has."""
        fake = ()
        if self._make:
            batch = self._minibatch()
            wanted(self.m, self._players[1])
            fake = (self._make(self.m, batch, self._draws, "train"),)
        for player in self._players:
            for _ in range(self._repeats if player.name == "disc" else 1):
                self._update(player, batch if self._make else self._minibatch(), *fake)
        if self._ema:
            with torch.no_grad():
                torch._foreach_lerp_(self._ema, self._gen, 1 - self.m.hp.ema)

    def tensors(self):
        """All that a step leaves behind: weights, statistics, optimizer states, the averaged generator."""
        held = [t for net in self.m.nets.values() for t in (*net.parameters(), *net.buffers())]
        moments = [
            t
            for o in self._optimizers.values()
            for state in o.state.values()
            for t in state.values()
        ]
        return [*held, *moments, *self._ema]
