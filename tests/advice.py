"""What a refusal advises, read from its words as a user reads them: changes to the command line.

Also the refusals in the source, so that a test can say which of them were never tried.
"""

import ast
import dataclasses
import pathlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "gan_jax"
ERRORS = ("InputError", "BadFile")  # what a refusal is made of
_VERB = r"use|add|leave|name|write|give|choose|set|install|allow|ask|see|continue|restart"
# A clause of advice: from a verb in the imperative to the end of the sentence or to a semicolon.
_CLAUSE = re.compile(
    rf"(?:^|[;:.,(] |\band |\bor |\bthen )"
    rf"((?:(?:{_VERB})\b|(?<=\. )--\w+(?:=\S+)? (?:leaves|reads)\b).*?)(?=;|\.(?:\s|$)|\)$|$)",
    re.IGNORECASE,
)
_FLAG = r"--[a-z]\w*(?:=(?:[^\s;,)`]|,(?=\S))*(?<![.,]))?"
_TOKEN = re.compile(
    rf"(?P<command>`[^`]+`|\S+ -m \S+ \S.* --help|gan-jax .* --help)"
    rf"|(?P<install>\S+ -m pip install .*|pip install .*)"
    rf"|(?P<env>GAN_JAX_CACHE(?:=\S*[\w/])?)"
    rf"|(?P<drop>leave (?:out )?(?P<flag>{_FLAG})(?: empty| out)?|without (?P<flag2>{_FLAG}))"
    rf"|(?P<drop_head>leave (?:it|them) (?:out|empty)(?! with))"
    rf"|(?P<append>add (?P<word>[\w.:]+) to (?P<list>{_FLAG}))"
    rf"|(?P<set>{_FLAG})"
)
_LEAD = (
    r"(?:use|name|write|give|choose|set|add)\s+"
    r"(?:it as\s+)?(?:none or\s+)?(?:one of|some of|any of|at least|a value above)?:?\s*"
)
_PLACEHOLDER = re.compile(r"(?:^|[:/=,])[A-Z]+(?:$|[:/=,])")  # as in folder:DIR
# What the message leaves to the user: a value of its first flag, or other data.
_ANOTHER = re.compile(
    r"(?:use|name|choose|give) (?:another|an? (?!value)|one that|the|larger|fewer|more)\b"
)
_DATA = re.compile(r"(?:use|name|label) .*\b(?:data|images)\b")


@dataclasses.dataclass(frozen=True)
class Advice:
    """One thing that a message tells the user to type."""

    flags: tuple[tuple[str, str | None], ...] = ()  # {flag: the word to type; None: leave it out}
    command: tuple[str, ...] = ()  # or another command line in full
    env: tuple[tuple[str, str], ...] = ()  # or an environment variable
    install: str = ""  # or a package

    def typed(self, words: list[str]) -> list[str]:
        """Return a command line, as its words, after the user has followed the advice."""
        if self.command:
            is_training = self.command[0] == "train" and "--help" not in self.command
            dry = ["--dry_run"] if is_training and "--dry_run" in words else []
            return [*self.command, *dry]
        for name, word in self.flags:
            if name in words and word:  # not a flag: a word that stands alone
                words = [word if w == name else w for w in words]
                continue
            words = [w for w in words if not _is_same(_name_of(w), name)]
            words = words if word is None else [*words, word]
        return words


def _name_of(word):
    """The flag that a word sets; None of one that sets none."""
    if not word.startswith("--"):
        return None
    return word[2:].partition("=")[0]


def _is_same(a, b):
    """Whether two words set one flag, perhaps the one as --x and the other as --nox."""
    return a is not None and (a == b or a == f"no{b}" or b == f"no{a}")


class _Message(NamedTuple):
    """What the words of a message refer to."""

    head: str  # the flag that it begins with, or the word that stands alone
    form: str  # how a value of it is typed, with {} for the value
    named: list[str]  # all flags before its advice
    places: Mapping[str, str]


def read(message: str, words: Sequence[str], places: Mapping[str, str]) -> list[Advice]:
    """Read what a message advises, each way by itself.

    Args:
      message: of a refusal.
      words: the command line that is refused.
      places: {flag: value} for what the message leaves to the user: "another --workdir".
    """
    first, found = message.split()[0], []
    for clause in _CLAUSE.finditer(message):
        named = re.findall(r"--(\w+)", message[: clause.start(1)]) or re.findall(
            r"--(\w+)", message
        )
        head, form = (named[0], f"--{named[0]}={{}}") if named else ("", "")
        if first in words and first[0] != "-":
            head, form = first, "{}"
        for way in _ways(clause[1], _Message(head, form, named, places)):
            if way not in found:
                found.append(way)
    return found


def _ways(clause: str, message: _Message) -> list[Advice]:
    """List the ways of one clause: "use --a=1, or --b" are two, "--a=1 --b" is one."""
    tokens = list(_TOKEN.finditer(clause))
    if not tokens:
        return _bare_values(clause, message)
    ways, end = [], 0
    for token in tokens:
        between = clause[end : token.start()]
        end = token.end()
        left_out = re.match("leave out", clause, re.IGNORECASE) and "use" not in between
        advice = _of_token(token, between, message)
        if left_out and token["set"]:  # "leave out --a, --b and --c"
            advice = Advice(((_name_of(token["set"]), None),))
        if advice is None:
            continue
        without = token[0].startswith("without")
        joined = re.search(r"\band\b", between) or not between.strip() or left_out or without
        if ways and joined and ways[-1].flags and advice.flags:
            ways[-1] = dataclasses.replace(ways[-1], flags=ways[-1].flags + advice.flags)
        else:
            ways.append(advice)
    return ways


def _of_token(token, between, message):
    if token["command"]:
        words = shlex.split(token["command"].strip("`"))
        start = next(i for i, w in enumerate(words) if w in ("gan_jax", "gan-jax")) + 1
        return Advice(command=tuple(words[start:]))
    if token["install"]:
        return Advice(install=token["install"])
    if token["env"]:
        name, _, value = token["env"].partition("=")
        return Advice(env=((name, message.places.get(name, value)),))
    if token["drop_head"]:
        dropped = message.named if "them" in token["drop_head"] else [message.head]
        return Advice(tuple((flag, None) for flag in dropped))
    if token["drop"]:
        return Advice(((_name_of(token["flag"] or token["flag2"]), None),))
    if token["append"]:
        return Advice(((_name_of(token["list"]), f"{token['list']},{token['word']}"),))
    word, name = token["set"], _name_of(token["set"])
    value, places = word.partition("=")[2], message.places
    is_example = re.search(r"such as|as in", between)
    if name in places and (not value or is_example or _PLACEHOLDER.search(value)):
        word = f"--{name}={places[name]}"
    elif _PLACEHOLDER.search(value):  # which the test has nothing for
        return None
    return Advice(((name, word),))


def _bare_values(clause, message):
    """Values without their flag are of the first flag of the message: "use 4 or more"."""
    head, places = message.head, message.places
    if "one of them" in clause:
        return [Advice(((f, f"--{f}={places[f]}"),)) for f in message.named if f in places]
    if _DATA.match(clause) and "data" in places:
        return [Advice((("data", f"--data={places['data']}"),))]
    if not head:
        return []
    if _ANOTHER.match(clause):
        return [Advice(((head, message.form.format(places[head])),))] if head in places else []
    values = re.sub(rf"^{_LEAD}", "", clause)
    out = []
    for value in re.split(r",? or |, (?:and )?| and ", values):
        value = re.sub(r" (for|of) .*", "", value.strip(" .'"))
        if value.startswith("such as "):
            value = places.get(head, value.removeprefix("such as "))
        if "a value above" in clause:
            value = f"{float(value) + 1e-3:g}"
        if _PLACEHOLDER.search(value) and head in places:
            value = places[head]
        is_value = re.fullmatch(r"[\w.:,/=-]+", value) and not _PLACEHOLDER.search(value)
        if is_value and value not in ("more", "less", "fewer", "it"):
            way = Advice(((head, message.form.format(value)),))
            out += [] if way in out else [way]
    return out


class Refusal(NamedTuple):
    """A refusal in the source."""

    path: str  # of its module, within the package
    line: int
    text: str  # its words, {} for what is put into them


def refusals() -> Iterator[Refusal]:
    """Find all refusals of the package: what is raised, and what `*refusals` list."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _called(node) in ERRORS and node.args:
                yield Refusal(name, node.lineno, _words(node.args[0]))
            if isinstance(node, ast.FunctionDef) and node.name.endswith("refusals"):
                for pair in [n for n in ast.walk(node) if isinstance(n, ast.Tuple)]:
                    yield Refusal(name, pair.lineno, _words(pair.elts[-1]))


def _called(node):
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _words(node):
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return "{}"


def advises(text: str) -> bool:
    """Say whether a refusal speaks of flags, or of what else one types."""
    return bool(re.search(r"--|\{\} is too|install it|GAN_JAX|use (one|some|any) of", text))
