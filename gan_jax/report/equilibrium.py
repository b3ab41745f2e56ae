"""What losses and outputs of D are when D cannot tell real from fake: decided here alone.

The log has whole objectives, so a loss has a level only where it is the adversarial term alone. Of
a plug-in nothing is known. Imports nothing large.
"""

from typing import Any

# Losses at whose equilibrium D's mean outputs are all 0.5: {name: (D's value, G's value)}, in units
# of ln 2; None of those without a logarithm. A least-squares D gives logits of 0.5, hinge does not
# say which, and Wasserstein scores have no origin. Outputs of pairs are relative to the other kind.
_MEETING: dict[str, tuple[int, int] | None] = {
    "ns": (2, 1),
    "saturating": (2, -1),
    "rp": (1, 1),
    "ra": (2, 2),
    "rp_ls": None,
    "rp_hinge": None,
    "ra_ls": None,
    "ra_hinge": None,
}
_BY_NAME = ("gan", "acgan", "mgan", "infogan", "colorize")  # methods with an adversarial --loss
PROB_TEXT = " At equilibrium all meet at 0.5 (dashed)."


def of_losses(config: dict[str, Any]) -> dict[str, int]:
    """Return {logged loss: its value at equilibrium, in units of ln 2}, of losses that have one.

    Further terms are a part of the loss: of a class head, of pixels, D's penalty, LeCam's and
    consistency.

    Args:
      config: config.json of a run.
    """
    hp, out = config["hp"], {}
    if config["method"] == "gan" and (levels := _MEETING.get(hp.get("loss"))):
        disc, gen = levels
        out = {"disc/loss": disc, "gen/loss": gen}
    elif config["method"] == "distgan" and hp.get("hinge") == "off":
        # The difference of mean outputs is 0 wherever they meet.
        if hp.get("gen_loss") == "score":
            out = {"gen/loss": 0}
        if of_probabilities(config):
            out = {"disc/loss": 2, "gen/loss": 1} | out
    if hp.get("penalty", "none") != "none" or hp.get("lecam") or hp.get("consistency"):
        out.pop("disc/loss", None)
    return out


def of_probabilities(config: dict[str, Any]) -> float | None:
    """Return where D's mean outputs meet at equilibrium, 0.5; None where that is not known.

    Args:
      config: config.json of a run.
    """
    method, hp = config.get("method"), config.get("hp") or {}  # perhaps of another program
    if method == "distgan":
        # With "equal" weights reals count twice as much as fakes, so that an ideal D says 2/3.
        is_even = hp.get("disc_weights") in ("schedule", "half") and hp.get("rec_label") == "real"
        return 0.5 if hp.get("hinge") == "off" and is_even else None
    return 0.5 if method in _BY_NAME and hp.get("loss") in _MEETING else None
