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
        while len(self.kept) < steps and self.failure is None:
            try:
                self.kept.append(self.ask(t + len(self.kept) + 1))
            except Exception as error:
                self.failure = error
        if self.failure is not None and not self.kept:
            try:
                raise self.failure
            finally:
                self.failure = None  # its traceback leads back here: a cycle, in which arrays would stay alive
        return self.kept
