"""A rule that looks at whole arrays first, step by step in plain Python: what its four functions say, and no more.

For each array, or with ``across`` for all that have a gradient together,

    c = coefficients(t, *hyper)
    sums = Σ reduces[k](p, g, *state, *c, *kept)           in float64, exactly rounded
    extra, kept = combine(c, sums, kept)
    p, *state = update(p, g, *state, *c, *extra)           in the dtype of the arrays
"""

from math import fsum

import numpy as np


class Reduced:
    """`params` and `state[name]` are lists of arrays, `kept[name]` of a number for each array, or of one for all.

    ``counts`` are the steps of each array, which ``coefficients`` get, and ``t`` the optimiser's: where sums are over
    all arrays, ``combine`` gets the coefficients of this one.
    """

    def __init__(self, rule, params, **hyper):
        unknown = hyper.keys() - {*rule.hyper, *rule.initial}
        if unknown:
            raise TypeError(f"{rule.name} has no hyperparameter {sorted(unknown)}")
        starts = {name: hyper.pop(keyword, default) for keyword, (name, default) in rule.initial.items()}
        self.rule, self.hyper = rule, {**rule.hyper, **hyper}
        self.params = [np.array(p) for p in params]
        self.state = {name: [np.full_like(p, starts.get(name, 0.0)) for p in self.params] for name in rule.state}
        owners = 1 if rule.across else len(self.params)
        self.kept = {name: [float(starts.get(name, 0.0))] * owners for name in rule.keeps}
        self.t, self.counts = 0, [0] * len(self.params)

    def step(self, grads, **override):
        """One update. `override` holds for this step only; a None gradient skips its array."""
        given = [i for i, g in enumerate(grads) if g is not None]
        if not given:
            return
        self.t += 1
        for i in given:
            self.counts[i] += 1
        hyper = [float(x) for x in {**self.hyper, **override}.values()]
        for owner, members in enumerate([given]) if self.rule.across else [(i, [i]) for i in given]:
            c = {i: self.rule.coefficients(self.counts[i], *hyper) for i in members}
            kept = tuple(numbers[owner] for numbers in self.kept.values())
            of_all = self.rule.coefficients(self.t if self.rule.across else self.counts[owner], *hyper)
            extra, kept = self.rule.combine(of_all, self.sums(members, grads, c, kept), kept)
            for numbers, new in zip(self.kept.values(), kept):
                numbers[owner] = new
            for i in members:
                self.update(i, grads[i], (*c[i], *extra))

    def elements(self, i, g):
        return zip(self.params[i].flat, np.asarray(g).flat, *(arrays[i].flat for arrays in self.state.values()))

    def sums(self, members, grads, c, kept):
        return tuple(
            fsum(function(*map(float, e), *c[i], *kept) for i in members for e in self.elements(i, grads[i]))
            for function in self.rule.reduces.values()
        )

    def update(self, i, g, c):
        dtype = self.params[i].dtype.type
        c = [dtype(x) for x in c]
        with np.errstate(all="ignore"):
            rows = [self.rule.update(*e, *c) for e in self.elements(i, g)]
        assert {type(x) for row in rows for x in row} <= {dtype}  # no number of the rule has widened it
        for arrays, new in zip((self.params, *self.state.values()), np.array(rows, dtype).T):
            arrays[i] = new.reshape(arrays[i].shape)
