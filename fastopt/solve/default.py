"""What `fastopt.minimize` does where no method is named: the rules that bench/which_default.py found."""

NAME = "memoryless_bfgs"

# Bounds stop some variables on the way, and with them what the slope along a line says of the others.
# PyTorch's least step, 1e-6, is too long for a gradient below gtol, and steps of at most 50 go 1e6 far too slowly.
WITHIN_BOUNDS, OPTIONS_THERE = "rprop", {"step_sizes": (1e-14, 1e6)}


def chosen(bounded):
    """The name of the rule, its options, and what errors call it."""
    if bounded:
        return WITHIN_BOUNDS, OPTIONS_THERE, f"{WITHIN_BOUNDS}, which method=None is within bounds,"
    return NAME, {}, f"{NAME}, which method=None is,"


def advice(option, rules, known_options):
    """What to say of an option that the default rule does not have: which rule has it, "adam" before others."""
    for rule in sorted(rules, key=lambda rule: rule.name != "adam"):
        if option in known_options(rule):
            return f'give method="{rule.name}"'
    return None
