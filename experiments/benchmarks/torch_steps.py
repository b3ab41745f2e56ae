"""The losses of the workloads in PyTorch, from their formulas, and the update step of a run.

Sources as in gan_jax/methods, gan_jax/core/penalties.py and docs/discrepancies.md. Random numbers
come from `noise`, in the order in which our losses draw them: from PyTorch's generator where steps
are timed, and from a record of ours where values are compared.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

WARMUP = 9  # of averages, as in gan_jax.core.step, which this process does not import


class Noise:
    """Random numbers from PyTorch's generator."""

    def __init__(self, device: torch.device):
        self._device = device

    def uniform(self, shape, low=0.0, high=1.0):
        return torch.empty(shape, device=self._device).uniform_(low, high)

    def normal(self, shape):
        return torch.randn(shape, device=self._device)

    def integers(self, n, shape):
        return torch.randint(n, shape, device=self._device)

    def dropout(self, x, rate):
        return F.dropout(x, rate)


class RecordedNoise:
    """The arrays that ours drew, one after another, in PyTorch's layout."""

    def __init__(self, tensors: Iterable[Tensor]):
        self._left = list(tensors)

    def uniform(self, shape, low=0.0, high=1.0):
        tensor = self._left.pop(0)
        if tensor.shape != torch.Size(shape):
            raise ValueError(f"Ours drew {tuple(tensor.shape)} where {tuple(shape)} is drawn here.")
        return tensor

    normal = uniform

    def integers(self, n, shape):
        return self.uniform(shape)

    def dropout(self, x, rate):
        return torch.where(self.uniform(x.shape) < 1 - rate, x / (1 - rate), 0.0)

    def close(self) -> None:
        """Refuse numbers that are left: ours drew more."""
        if self._left:
            raise ValueError(f"Ours drew {len(self._left)} arrays more.")


def bce(logit: Tensor, target: float) -> Tensor:
    """Compute the mean binary cross-entropy against one target."""
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


# {loss: (D's for reals, D's for fakes, G's for fakes)}, each a mean over logits.
ADVERSARIAL = {
    "ns": (lambda d: bce(d, 1.0), lambda d: bce(d, 0.0), lambda d: bce(d, 1.0)),
    "wasserstein": (lambda d: -d.mean(), lambda d: d.mean(), lambda d: -d.mean()),
}


class Model:
    """What the losses read."""

    progress = 0.0  # of the run, in [0, 1)

    def __init__(self, nets: dict, hp: Any, n_classes: int, slope: Callable):
        """nets: {name: torch_nets.Net}; hp: our Settings; slope: slope_eager or slope_traced."""
        self.nets, self.hp, self.n_classes, self.slope = nets, hp, n_classes, slope

    def sample_noise(self, noise, n):
        """Draw the generator's input [n, z_dim]."""
        shape = (n, self.hp.z_dim)
        return noise.normal(shape) if self.hp.prior == "normal" else noise.uniform(shape, -1.0, 1.0)

    def apply_disc(self, noise, x, mode="train"):
        """Apply D to images as it sees them, with input noise (D16)."""
        if self.hp.input_noise:
            x = x + self.hp.input_noise * noise.normal(x.shape)
        return self._disc(noise, x, mode)

    def _disc(self, noise, x, mode):
        dropout = (noise,) if self.hp.net == "s1" else ()
        return self.nets["disc"](x, mode, *dropout)

    def penalty(self, noise, real, fake):
        """Compute the weighted penalty on D's slope, or 0.

        Source: Gulrajani et al. 2017, eq. 3; Kodali et al. 2017, notebook.
        """
        hp, one_each = self.hp, (len(real), 1, 1, 1)
        if hp.penalty == "none":
            return 0.0
        if hp.penalty == "dragan":
            u = noise.uniform(real.shape)
            x = real + noise.uniform(one_each) * (0.5 * real.std(correction=0) * u)
        else:
            x = real + noise.uniform(one_each) * (fake - real)
        g = self.slope(lambda x: self._disc(noise, x, "batch")[0].sum(), x)
        norm = ((g**2).sum((1, 2, 3)) + 1e-12).sqrt()
        return hp.lambda_p * ((norm - 1) ** 2).mean()


def slope_eager(score: Callable, x: Tensor) -> Tensor:
    """Compute the gradient of score(x) [] in x, to be differentiated again."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(score(x), x, create_graph=True)[0]


def slope_traced(score: Callable, x: Tensor) -> Tensor:
    """Compute the same in a form that torch.compile takes into its graph."""
    return torch.func.grad(score)(x)


class Fake(NamedTuple):
    """Generated images."""

    images: Tensor
    labels: Tensor | None = None  # classes, or generators of a mixture


def generate(m, batch, noise, mode):
    """Generate images from noise alone."""
    return Fake(m.nets["gen"](m.sample_noise(noise, len(batch["image"])), mode))


def generate_classes(m, batch, noise, mode):
    """Generate images of uniform classes (AC-GAN, Odena et al. 2017)."""
    n = len(batch["image"])
    y = noise.integers(m.n_classes, (n,))
    return Fake(m.nets["gen"](m.sample_noise(noise, n), y, mode), y)


def generate_mixture(m, batch, noise, mode):
    """Generate images from the same noise through every generator (MGAN)."""
    images = m.nets["gen"](m.sample_noise(noise, m.hp.gen_batch), mode)
    return Fake(images, torch.arange(m.hp.n_gens, device=images.device).repeat(m.hp.gen_batch))


def no_terms(m, batch, real, fake, labels):
    """Return 0: a GAN has no terms beside the adversarial loss."""
    return 0.0


def class_terms(m, batch, real, fake, labels):
    """Compute AC-GAN's class terms: D's on reals and fakes, G's (real is None) on fakes."""
    on_fake = F.cross_entropy(fake[2], labels)
    if real is None:
        return m.hp.lambda_c_gen * on_fake
    return m.hp.lambda_c * (F.cross_entropy(real[2], batch["label"]) + on_fake)


def mixture_terms(m, batch, real, fake, labels):
    """Compute MGAN's classifier term: weight lambda_c in D, beta in G (D14)."""
    return (m.hp.beta if real is None else m.hp.lambda_c) * F.cross_entropy(fake[2], labels)


class Player(NamedTuple):
    """One optimizer and the loss that it minimises."""

    name: str
    nets: tuple[str, ...]  # names of the nets that it trains
    loss: Callable  # (m, batch, noise) -> []; also takes the Fake that players share


def gan_players(make: Callable, terms: Callable) -> tuple[Player, ...]:
    """Return D and G; make: generates images, terms: beside the adversarial loss."""

    def disc_loss(m, batch, noise, fake=None):
        on_real, on_fake, _ = ADVERSARIAL[m.hp.loss]
        x = batch["image"]
        if fake is None:
            with torch.no_grad():
                fake = make(m, batch, noise, "batch")
        images = fake.images.detach()
        real_out, fake_out = m.apply_disc(noise, x), m.apply_disc(noise, images)
        total = on_real(real_out[0]) + on_fake(fake_out[0]) + m.penalty(noise, x, images)
        return total + terms(m, batch, real_out, fake_out, fake.labels)

    def gen_loss(m, batch, noise, fake=None):
        fake = make(m, batch, noise, "train") if fake is None else fake
        out = m.apply_disc(noise, fake.images, "batch")
        return ADVERSARIAL[m.hp.loss][2](out[0]) + terms(m, batch, None, out, fake.labels)

    return Player("disc", ("disc",), disc_loss), Player("gen", ("gen",), gen_loss)


def recon_loss(m, batch, noise):
    """Compute the error in D's features and the latent-data distance: S3 eq. 3 (D06, D07)."""
    x, nets = batch["image"], m.nets
    z = m.sample_noise(noise, len(x))
    code = nets["enc"](x, "train")
    rec = nets["gen"](code, "batch")
    with torch.no_grad():  # neither depends on the encoder
        fake_f = nets["disc"](nets["gen"](z, "batch"), "batch")[1]
        real_f = nets["disc"](x, "batch")[1]
    rec_f = nets["disc"](rec, "batch")[1]
    scale = m.hp.lambda_w or math.sqrt(m.hp.z_dim / real_f.shape[1])
    gap = (rec_f - fake_f).mean() - scale * (code - z).mean()
    return ((real_f - rec_f) ** 2).mean() + m.hp.lambda_r * gap**2


def morpho_disc_loss(m, batch, noise):
    """Compute S3 eqs. 2 and 4: reconstructions are reals of a weight that ends at 0 (D08)."""
    x, nets = batch["image"], m.nets
    with torch.no_grad():
        fake = nets["gen"](m.sample_noise(noise, len(x)), "batch")
        rec = nets["gen"](nets["enc"](x, "batch"), "batch")
    on_real, on_rec, on_fake = (m.apply_disc(noise, images)[0] for images in (x, rec, fake))
    mu = min(max(2 * (0.1 * m.progress - 0.05), 0.0), 0.05)
    loss = (0.95 + mu) * bce(on_real, 1.0) + (0.05 - mu) * bce(on_rec, 1.0) + bce(on_fake, 0.0)
    return loss + m.penalty(noise, x, fake)


def morpho_gen_loss(m, batch, noise):
    """Compute S3 eq. 1: the difference of D's mean scores."""
    x = batch["image"]
    fake = m.nets["gen"](m.sample_noise(noise, len(x)), "train")
    on_fake = m.apply_disc(noise, fake, "batch")[0]
    with torch.no_grad():
        on_real = m.apply_disc(noise, x, "batch")[0]
    return (on_real.sigmoid().mean() - on_fake.sigmoid().mean()).abs()


PLAYERS = {  # {our method: players in the order of their updates}
    "gan": gan_players(generate, no_terms),
    "acgan": gan_players(generate_classes, class_terms),
    "mgan": gan_players(generate_mixture, mixture_terms),
    "distgan": (
        Player("recon", ("enc",), recon_loss),
        Player("disc", ("disc",), morpho_disc_loss),
        Player("gen", ("gen",), morpho_gen_loss),
    ),
}
# Methods whose players see the same minibatch and noise, and so the same images.
SHARED = {"mgan": generate_mixture}


def trained_weights(m: Model, player: Player) -> list[Tensor]:
    """Let gradients flow to the weights of a player's nets alone; return those weights."""
    for name, net in m.nets.items():
        net.requires_grad_(name in player.nets)
    return [p for name in player.nets for p in m.nets[name].parameters()]


def differentiate(m: Model, player: Player, loss: Callable, batch: dict, noise, *fake: Fake):
    """Compute a player's loss [], compiled or not, and leave its gradients with its weights."""
    for weight in trained_weights(m, player):
        weight.grad = None
    value = loss(m, batch, noise, *fake)
    value.backward()
    return value


class Trainer:
    """The update step of a run: every player in turn, then the averaged generator."""

    def __init__(self, method: str, m: Model, mode: str | bool = False):
        """method: key of PLAYERS; mode: of torch.compile for the losses, False for none."""

        def maybe_compiled(f):
            return torch.compile(f, dynamic=False, mode=mode) if mode else f

        self._m, self._players, hp = m, PLAYERS[method], m.hp
        self._gen = [p.detach() for p in m.nets["gen"].parameters()] + list(m.nets["gen"].buffers())
        self.noise = Noise(self._gen[0].device)
        self._losses = {p.name: maybe_compiled(p.loss) for p in self._players}
        self._generate = maybe_compiled(SHARED[method]) if method in SHARED else None
        self.optimizers = {}
        for p in self._players:
            rate = hp.lr_disc if p.name == "disc" and hp.lr_disc else hp.lr
            weights, betas = trained_weights(m, p), (hp.beta1, hp.beta2)
            self.optimizers[p.name] = torch.optim.Adam(weights, rate, betas, fused=True)
        self.ema = [p.clone() for p in self._gen] if hp.ema else []
        self._n_steps = 0

    def step(self, next_batch: Callable[[], dict]) -> dict[str, Tensor]:
        """Update every player, D n_disc times; return {player's name: its last loss}.

        Args:
          next_batch: returns the minibatch of one update, or of the step where players share it.
        """
        losses, fake, batch = {}, (), None
        if self._generate:
            batch = next_batch()
            trained_weights(self._m, self._players[1])
            fake = (self._generate(self._m, batch, self.noise, "train"),)
        for player in self._players:
            for _ in range(self._m.hp.n_disc if player.name == "disc" else 1):
                minibatch, loss = batch or next_batch(), self._losses[player.name]
                value = differentiate(self._m, player, loss, minibatch, self.noise, *fake)
                self.optimizers[player.name].step()
                losses[player.name] = value.detach()
        if self.ema:
            with torch.no_grad():
                torch._foreach_lerp_(self.ema, self._gen, self._average_rate())
        self._n_steps += 1
        return losses

    def _average_rate(self):
        """Return the rate of the averages after this step, see gan_jax.core.step."""
        hp = self._m.hp
        bound = WARMUP / (self._n_steps + WARMUP) if hp.ema_warmup else 0.0
        return max(1 - hp.ema, bound)

    def tensors(self) -> list[Tensor]:
        """List weights, statistics, optimizer states and the averaged generator."""
        nets = [t for net in self._m.nets.values() for t in (*net.parameters(), *net.buffers())]
        states = [s for o in self.optimizers.values() for s in o.state.values()]
        return [*nets, *(t for state in states for t in state.values()), *self.ema]
