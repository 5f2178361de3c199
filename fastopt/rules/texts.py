"""What a rule's documentation is made of: its own docstring, its equation, and what each of its numbers means.

A number that means the same in several rules is explained here, once; a rule's docstring explains those that are its
own, in a section "Parameters", and that text is taken where there are both.
"""

import re

from .keywords import TOGETHER
from .rule import Rule

MEANINGS = {
    "beta1": """\
β₁, how much of m, the running average of the gradient, is kept each step: it looks back over about 1/(1−β₁) steps,
10 by default. 0 turns the average off.""",
    "beta2": """\
β₂, how much of v, the running average of the squared gradient, is kept each step: 1000 steps by default. Small
problems and short runs often do better with 0.99.""",
    "eps": """\
Added to the root, in the gradient's unit, so that nothing is divided by 0. Seldom tuned: a larger one, 1e-4 say,
holds back parameters whose gradients are mostly noise.""",
    "bias_correction": """\
Whether to divide m and v by the weight that they have gathered since they started at 0. Without it the first steps
are about three times as long, by default.""",
    "eps_before_correction": """\
Whether eps is added to √v before the correction of v ("epsilon hat"): in the first steps it is then larger by the
correction, 30 times at the first by default. Without ``bias_correction`` there is no difference.""",
    "max_corrected": "Whether AMSGrad's maximum is that of the corrected v̂ instead of v; needs ``amsgrad``.",
    "lr_in_velocity": """\
Whether lr goes into b, so that each gradient keeps the lr of its own step when lr changes, instead of multiplying
b.""",
    "etaminus": "η⁻, what a step is multiplied by where the gradient has changed its sign.",
    "etaplus": "η⁺, what a step is multiplied by where the gradient has kept its sign.",
    "step_size_min": "Δmin, how short a step can become, in the parameter's own unit.",
    "step_size_max": "Δmax, how long a step can become, in the parameter's own unit.",
    "weight_decay": """\
λ, L2 decay: adds λθ to the gradient, as a penalty ½λ‖θ‖² on the loss would. Rules that rescale the gradient
rescale this part with it; AdamW and Lion decay apart from it.""",
    "ema": """\
How much of the average of the parameters is kept each step: it looks back over about 1/(1−ema) steps.""",
    "decoupled": """\
Whether ``weight_decay`` shrinks the parameter itself by the factor 1 − lr·λ, and leaves the gradient alone.""",
}


def sections(text: str | None) -> dict[str, str]:
    """A docstring's parts by their headings; what stands before the first has the key ""."""
    text = text or ""  # python -OO leaves none
    opening, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", text.strip() + "\n", flags=re.MULTILINE)
    return {"": opening.strip(), **{head: body.strip("\n") for head, body in zip(rest[::2], rest[1::2])}}


def entries(body: str) -> dict[str, str]:
    """A section "Parameters" by argument: each its whole paragraph, headed by name and kind."""
    found = re.findall(r"^((\w+)(?: : .*)?\n(?:    .*\n?|\n)+)", body, re.MULTILINE)
    return {name: paragraph.rstrip() for paragraph, name in found}


def meaning(rule: Rule, name: str) -> str:
    """What this number is in this rule, indented; nothing where nobody said it."""
    if name in TOGETHER and name not in rule.hyper:
        return "\n".join(meaning(rule, one) for one in TOGETHER[name])
    own = entries(sections(rule.doc).get("Parameters", "")).get(name, "")
    return own.partition("\n")[2] or indented(MEANINGS.get(name, ""))


def opening(rule: Rule) -> str:
    """The title, the equation, and which variant it is."""
    title, _, rest = sections(rule.doc)[""].partition("\n\n")
    equation = rule.equation.replace("; ", "\n")
    return "\n\n".join(part for part in (title, indented(equation), rest) if part)


def examples(rule: Rule) -> str:
    return sections(rule.doc).get("Examples", "")


def indented(text: str) -> str:
    return re.sub(r"^(?=.)", "    ", text, flags=re.MULTILINE)


def whole(rule: Rule, name: str) -> tuple[tuple, str]:
    """Of numbers that are written as one how each is called, and where each may lie."""
    symbols, ranges = tuple(TOGETHER[name].values()), [range_of(rule, one) for one in TOGETHER[name]]
    if len(set(ranges)) == 1:
        return symbols, f"each {ranges[0]}"
    return symbols, ", ".join(f"{symbol} {range_}" for symbol, range_ in zip(symbols, ranges))


def range_of(rule: Rule, name: str) -> str:
    """Where a number may lie, in the words of the sentence that refuses others."""
    return str(rule.range_of(name)).removeprefix("finite and ")
