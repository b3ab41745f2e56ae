"""The model card of a published run: Markdown with YAML front matter, as pages of a hub show it."""

import json
import re
import shlex
from typing import Any, NamedTuple

from gan_jax.errors import counted
from gan_jax.metrics import protocol
from gan_jax.report import parts, score_text
from gan_jax.report.verdict import verdict
from gan_jax.rundir import start_weights
from gan_jax.settings import Size

MAX_CLASSES = 100  # that are listed
# {what a generated image is of: (words, what a hub calls the task or "")}.
CONDITIONS = {
    "": ("", "unconditional-image-generation"),
    "class": (" of a class that you choose", ""),
    "quantities": (" with quantities that you choose", ""),
    "generator": (", by a mixture of generators", "unconditional-image-generation"),
    "code": (", with a code that you choose", "unconditional-image-generation"),
    "image": (", coloured from gray ones", "image-to-image"),
}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # text that YAML reads as itself
_YAML_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


class Samples(NamedTuple):
    """The picture of samples on a card."""

    file: str  # name of the PNG file in the folder
    width: int  # pixels in which the card shows it
    caption: str  # what it shows, with the seed
    command: str  # makes the same picture; "" without one


class Card(NamedTuple):
    """All that a model card says."""

    name: str  # what commands call the model: hf:USER/NAME, or the name of the folder
    config: dict[str, Any]  # config.json of the published folder
    condition: str  # what a generated image is of: a key of CONDITIONS
    license: str  # identifier of a license, or "unknown"
    samples: Samples
    evaluation: dict[str, Any] | None  # eval.json; None without scores of this very model
    unscored: str  # why there is no evaluation
    warnings: tuple[str, ...]  # what the run's monitor warned of, a sentence each
    flags: str  # flags.txt of the run; "" without one
    needs_data: bool  # whether sampling takes images of the data
    has_data_path: bool  # whether the data are files that a user has to name
    plugins: tuple[str, ...]  # Python code from outside of gan_jax that loading imports


def write_card(card: Card) -> str:
    """Write the card as Markdown."""
    parts = [
        front_matter(card),
        f"# {_title(card)}",
        _summary(card),
        _picture(card.samples),
        "## Use\n\n" + _use(card),
        "## Training data\n\n" + _data(card.config["dataset"]),
        "## Scores\n\n" + _scores(card),
        "## Limits\n\n" + _limits(card),
        "## How it was made\n\n" + _origin(card),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(card: Card) -> str:
    """Write the YAML front matter, which a hub sorts and finds models by."""
    tags = ["gan", "jax", "flax", card.config["method"], card.config["experiment"]]
    lines = ["---", f"license: {_yaml(card.license)}", "library_name: gan_jax"]
    task = CONDITIONS[card.condition][1]
    if task and card.config["dataset"]["size"] != 1:
        lines.append(f"pipeline_tag: {task}")
    lines += ["tags:", *(f"- {_yaml(tag)}" for tag in dict.fromkeys(tags)), "---"]
    return "\n".join(lines)


def _yaml(text):
    """Quote text for YAML where it could be read as something else."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if is_plain else json.dumps(text)


def _text(text):
    """Escape text for Markdown: no markup, no HTML, no new cell of a table."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return " ".join(re.sub(r"([\\`*_\[\]])", r"\\\1", escaped).split())


def _code(text):
    """Write text as code; a backtick in it would end what backticks enclose."""
    return f"<code>{_text(text)}</code>" if "`" in text else f"`{text}`"


def _table(rows):
    """Format rows of text as a Markdown table, the first as its head."""
    lines = ["| " + " | ".join(map(_text, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _title(card):
    return _text(f"{card.config['experiment']} on {card.config['dataset']['name']}")


def _kind_of_output(dataset):
    size, channels = dataset["size"], dataset["colors"]
    if size == 1:
        return f"points of {channels} coordinate{'s' * (channels > 1)}"
    color = {1: "gray", 3: "colour"}.get(channels)
    return f"{color} images" if color else f"images of {channels} channels"


def _summary(card):
    config, about = card.config, card.config["published"]
    dataset, run = config["dataset"], config["run"]
    what, begun, size = _kind_of_output(dataset), config.get("init_from"), dataset["size"]
    if size != 1:
        what += " of {} x {} pixels".format(*Size.of(size))
    what += CONDITIONS[card.condition][0]
    weights = "averaged over the last steps" if about["averaged"] else "those of the last step"
    return (
        f"A generator of {what}: {_text(config['experiment'])} of gan_jax, trained for "
        f"{about['step']:,} of {counted(run['steps'], 'step')} with seed {run['seed']}. "
        f"Its weights are {weights}."
        + (f" It {_text(start_weights.sentence(begun))}." if begun else "")
    )


def _picture(samples):
    lines = [f'<img src="{samples.file}" width="{samples.width}" alt="generated samples">', ""]
    lines.append(f"*{_text(samples.caption)} Nothing was selected.*")
    if samples.command:
        lines[-1] += f" The same picture: {_code(samples.command)}"
    return "\n".join(lines)


def _options(card):
    """Return what `evaluate` needs besides the name, such as " --download --data=DATA"."""
    fetch = " --download" if card.name.startswith("hf:") else ""
    data = " --data=DATA" if card.has_data_path else ""
    return fetch + data + (" --trust" if card.plugins else "")


def _where(card):
    """Explain the DATA of a command."""
    name = _text(card.config["dataset"]["name"])
    return f"\n\n`DATA` is where {name} is on your machine." if card.has_data_path else ""


def _use(card):
    is_remote = card.name.startswith("hf:")
    data = " --data=DATA" if card.needs_data else ""
    size, channels = card.config["dataset"]["size"], card.config["dataset"]["colors"]
    height, width = Size.of(size)
    shape = f"uint8 [64, {height}, {width}, {channels}]"
    if size == 1:
        shape = f"float32 [64, 1, 1, {channels}], in [-1, 1]"
    form = " --form=npz" if size == 1 else ""
    fetch = " --download" if is_remote else ""
    trust = " --trust" if card.plugins else ""
    package = "'.[hub]'" if is_remote else "."
    shell = [f"pip install -e {package}  # in a checkout of gan_jax"]
    shell.append(f"gan-jax sample {shlex.quote(card.name)} --n=64{form}{fetch}{data}{trust}")
    out = ["```sh", *shell, "```", ""]
    if not card.needs_data:
        options = ", trust=True" if card.plugins else ""
        python = ["import gan_jax as gj", "", f"model = gj.load({json.dumps(card.name)}{options})"]
        python.append(f"samples = model.sample(64)  # {shape}")
        out += ["```python", *python, "```", ""]
    if card.needs_data:
        out.append(
            "`DATA` is the data set of this model, such as `folder:PICTURES`: gray versions of its "
            "images go in. Its content is checked."
        )
    elif is_remote:
        out.append("`--download` fetches the model; from then on the local cache has it.")
    else:
        out.append(f"`{card.name}` is the folder that holds this file.")
    if card.plugins:
        names = ", ".join(f"`{name}`" for name in card.plugins)
        out.append(f"It needs Python code that is not here: {names}. Read it before you trust it.")
    return "\n".join(out).rstrip()


def _data(dataset):
    what = _kind_of_output(dataset)
    text = f"{_text(dataset['name'])}: {dataset['n']:,} {what}, digest `{dataset['digest']}`."
    classes, counts = dataset["classes"], dataset.get("counts") or []
    if not classes:
        return text + " They have no classes."
    rows = [["class", "images"]]
    shown = list(zip(classes, counts or ["-"] * len(classes), strict=False))
    rows += [[name, f"{n:,}" if isinstance(n, int) else n] for name, n in shown[:MAX_CLASSES]]
    left = len(classes) - MAX_CLASSES
    more = f"\n\nAnd {left:,} more classes." if left > 0 else ""
    return f"{text}\n\n{_table(rows)}{more}"


def _scores(card):
    evaluation = card.evaluation
    if evaluation is None:
        command = f"gan-jax evaluate {shlex.quote(card.name)}{_options(card)}"
        return f"{card.unscored} This command scores it:\n\n```sh\n{command}\n```{_where(card)}"
    rows, subject = evaluation["rows"], score_text.subject_row(evaluation)
    others = [name for name in rows if name not in ("real", subject)]
    scores = score_text.all_scores(evaluation)
    head = ["score", "better", "real images (floor)", "this model", "95 % interval"]
    if card.config["dataset"]["size"] == 1:
        head[2] = "training points (floor)"
    table = [[*head, *map(score_text.row_label, others)]]
    for key in score_text.score_keys(evaluation):
        real, model = (score_text.format_score(rows[name], key) for name in ("real", subject))
        better = {"real": "as real"}.get(scores[key].better, scores[key].better)
        interval = score_text.format_interval(evaluation, key)
        controls = (score_text.format_score(rows[name], key) for name in others)
        table.append([scores[key].title, better, real, model, interval, *controls])
    counts = [rows[name]["n_fake"] for name in others]
    table.append(
        ["number scored", "", rows["real"]["n_fake"], rows[subject]["n_fake"], "", *counts]
    )
    sections = [f"**{_text(verdict(evaluation).text)}**"] if verdict(evaluation).text else []
    sections += [_table(table).replace("+-", "±"), score_text.HOW_TO_READ.replace("+-", "±")]
    sections.append("Protocol: " + _text(protocol.describe(evaluation, score_text.LABELS)))
    for part in parts.of(evaluation):
        sections += [f"**{part.title}.** {_text(part.finding)}".rstrip(), *map(_table, part.tables)]
        sections.append(_text(part.protocol))
    return "\n\n".join(sections)


def _limits(card):
    config = card.config
    dataset, about, run = config["dataset"], config["published"], config["run"]
    lines = [
        "It has seen its training data and nothing else. What is rare or missing there is rare or "
        "missing here, and so is what the generator has lost.",
        "It was made for research on generative models. Its output is not a record of anything "
        "real, and is no evidence for claims about the data.",
    ]
    if card.license == "unknown":
        lines.append("Its license is not stated. That of the training data may limit its use.")
    if card.evaluation is None:
        lines.append("It has not been scored: its quality, variety and copies are unknown.")
    else:
        lines.append(
            "Scores depend on their protocol: they do not compare with scores of other features, "
            "counts or data, nor with the FID unless the features are Inception's."
        )
        if "neighbours" not in card.evaluation and dataset["size"] != 1:
            lines.append("Whether it copies training images was not searched for.")
    if about["step"] < run["steps"]:
        lines.append(f"Its training had {counted(run['steps'] - about['step'], 'step')} to go.")
    lines += card.warnings
    return "\n".join(f"- {line}" for line in lines)


def _origin(card):
    config, about = card.config, card.config["published"]
    text = (
        f"gan_jax {_text(about['version'])}, step {about['step']:,}, state sha256 "
        f"`{about['state_sha256']}`. `config.json` has all settings; `gan_jax.json` has the "
        "checksums of the files, which loading verifies."
    )
    if not card.flags:
        return text + " The run left no `flags.txt`; it may have been started from Python."
    data = " --data=DATA" if card.has_data_path else ""
    trust = " --trust" if card.plugins else ""
    command = (
        f"gan-jax train {config['experiment']} --flagfile=flags.txt{data}{trust} "
        "--workdir=runs/again"
    )
    return (
        f"{text}\n\nThis command trains it again; `flags.txt` lies beside this file.\n\n"
        f"```sh\n{command}\n```{_where(card)}\n\n"
        f"<details><summary>flags.txt</summary>\n\n```\n{card.flags.rstrip()}\n```\n\n"
        "</details>"
    )
