"""The keywords that users write for a rule's numbers: some numbers stand together, as PyTorch spells them."""

# What a user writes as one, the numbers that it holds, and how formulas call these.
TOGETHER = {
    "betas": {"beta1": "β₁", "beta2": "β₂"},
    "etas": {"etaminus": "η⁻", "etaplus": "η⁺"},
    "step_sizes": {"step_size_min": "Δmin", "step_size_max": "Δmax"},
}


def together(numbers) -> dict:
    """Of a rule's numbers those that users write as one, by that keyword."""
    return {
        keyword: tuple(names)
        for keyword, names in TOGETHER.items()
        if keyword not in numbers and all(name in numbers for name in names)
    }


def spelt(numbers: dict) -> dict:
    """By the keywords users write: ``beta1`` and ``beta2`` as the pair ``betas``, in the place of the first."""
    found = dict(numbers)
    for keyword, names in together(numbers).items():
        whole = tuple(numbers[name] for name in names)
        found = {(keyword if k == names[0] else k): v for k, v in found.items() if k not in names[1:]}
        found[keyword] = whole
    return found


def keywords(rule) -> dict:
    """What a constructor or group of this rule takes, with defaults, in order."""
    initial = {keyword: default for keyword, (_, default) in rule.initial.items()}
    return {**spelt(rule.hyper), **initial, "weight_decay": rule.hyper.get("weight_decay", 0.0)}
