"""What schedules say for the steps that a compiled loop is about to take."""


class Asked:
    """Asks ``ask(t)`` for steps in a row, once for each and in order, and keeps what was not used yet.

    What it raises comes once the steps before are taken.
    """

    def __init__(self, ask, t=0):
        self.ask, self.t, self.kept, self.failure = ask, t, [], None

    def after(self, t, steps) -> list:
        """For so many steps after t, or as many as can be; t is none before the last one that was asked for."""
        self.kept, self.t = self.kept[t - self.t :], t
        return self.again(t, max(steps, len(self.kept)))

    def again(self, t, steps) -> list:
        """The same for any t, and nothing is forgotten, for others that take the same steps later."""
        at = t - self.t
        while len(self.kept) < at + steps and self.failure is None:
            try:
                self.kept.append(self.ask(self.t + len(self.kept) + 1))
            except Exception as error:
                self.failure = error
        if self.failure is not None and len(self.kept) <= at:
            try:
                raise self.failure
            finally:
                self.failure = None  # its traceback leads back here: a cycle, in which arrays would stay alive
        return self.kept[at : at + steps]
