"""The keywords that users write for a rule's numbers."""

BETAS = ("beta1", "beta2")


def spelt(numbers: dict) -> dict:
    """By the keywords users write: ``beta1`` and ``beta2`` as the pair ``betas``, in the place of the first."""
    if not all(beta in numbers for beta in BETAS):
        return dict(numbers)
    pair = tuple(numbers[beta] for beta in BETAS)
    return {("betas" if k == "beta1" else k): (pair if k == "beta1" else v) for k, v in numbers.items() if k != "beta2"}


def keywords(rule) -> dict:
    """What a constructor or group of this rule takes, with defaults, in order."""
    initial = {keyword: default for keyword, (_, default) in rule.initial.items()}
    return {**spelt(rule.hyper), **initial, "weight_decay": rule.hyper.get("weight_decay", 0.0)}
