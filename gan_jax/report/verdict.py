"""The sentence that sums an evaluation up: where it stands between real images and the controls."""

from typing import Literal, NamedTuple

from gan_jax.report import score_text

# The first of these that an evaluation has decides: a score of quality and variety together.
DECISIVE = ("frechet", "kernel", "wasserstein", "js", "coverage", "total_variation")
CONTROLS = {"untrained": "an untrained generator", "collapsed": "real images without variety"}
MIN_UNTRAINED = 0.05  # weight of the untrained net in an average that is worth a word


class Verdict(NamedTuple):
    """Where the images of an evaluation stand."""

    # "better" than all controls; "worse" than an untrained generator, or no better; "between";
    # "" where no score decides.
    kind: Literal["better", "between", "worse", ""]
    text: str  # a sentence or two; "" where no score decides


def verdict(evaluation: dict) -> Verdict:
    """Say whether the scored images are better than the controls, and what to do if not.

    A difference from a control counts if the 95 % interval of the score lies on one side of it.

    Args:
      evaluation: a record in eval.json.
    """
    rows, subject = evaluation["rows"], score_text.subject_row(evaluation)
    controls = [name for name in CONTROLS if name in rows]
    keys = [key for key in DECISIVE if all(key in rows[n] for n in ("real", subject, *controls))]
    if not keys or not controls:
        return Verdict("", "")
    key = keys[0]
    standings = {name: _compare(evaluation, key, rows[name][key]) for name in controls}
    numbers = _numbers(evaluation, key, controls)
    if all(standing == "better" for standing in standings.values()):
        names = " and ".join(CONTROLS[name] for name in controls)
        return Verdict("better", f"Better than {_both(controls)}{names}: {numbers}.")
    if standings.get("untrained", "better") != "better":
        words = "Worse" if standings["untrained"] == "worse" else "No better"
        head = f"{words} than {CONTROLS['untrained']}: {numbers}."
        return Verdict("worse", f"{head} {_advice(evaluation)}")
    words = "worse" if standings["collapsed"] == "worse" else "no better"
    text = f"{words} than {CONTROLS['collapsed']}: {numbers}."
    if "untrained" in standings:
        text = f"Better than {CONTROLS['untrained']}, but {text}"
        return Verdict("between", f"{text} Longer training may help, or another method or penalty.")
    return Verdict("between", text[0].upper() + text[1:])


def _both(controls):
    return "both controls, " if len(controls) > 1 else ""


def _compare(evaluation, key, control):
    """Say whether the score is "better" or "worse" than a control, or "alike"."""
    value = evaluation["rows"][score_text.subject_row(evaluation)][key]
    low, high = score_text.confidence_interval(evaluation, key) or (value, value)
    if score_text.all_scores(evaluation)[key].better == "high":
        low, high, control = -high, -low, -control
    if high < control:
        return "better"
    return "worse" if low > control else "alike"


def _numbers(evaluation, key, controls):
    """Write the score of the subject, of real images and of the controls."""
    rows, score = evaluation["rows"], score_text.all_scores(evaluation)[key]
    shown = {"": score_text.subject_row(evaluation), **{name: name for name in controls}}
    shown["real data"] = "real"
    values = (
        f"{words} {score_text.format_score({key: rows[name][key]}, key)}".strip()
        for words, name in shown.items()
    )
    return f"{score.title} {', '.join(values)} ({score_text.BETTER[score.better]})"


def _advice(evaluation):
    """Say what to do about a generator that is no better than an untrained one."""
    share = evaluation.get("untrained_share", 0)
    if share > MIN_UNTRAINED:
        return (
            f"The averaged generator is still {100 * share:.0f} % its untrained weights: score the "
            "last ones with --ema=false, or train longer."
        )
    return (
        "Look at the samples. If they are still noise, train with more --steps; if they were "
        "better before, look for warnings in the report, and use a lower --lr."
    )
