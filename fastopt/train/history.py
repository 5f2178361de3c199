"""What a training leaves behind: losses and times, to read, draw or tabulate."""

from dataclasses import dataclass, field


@dataclass
class History:
    """What happened in a training: one entry per epoch in each list.

    Attributes
    ----------
    loss : list of float
        The sum of the losses of the epoch's examples, each at the parameters that its batch was computed with (their
        mean with ``reduction="mean"``).
    time : list of float
        Seconds since the start, at the end of the epoch.
    epoch : list of int
        The epoch's number, counted from 0.
    validation : list of float
        The loss of the validation data after each epoch; empty where there is none.
    stopped : str or None
        "callback" or "patience" if that ended the training early.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> def loss_and_grad(w, g, y):
    ...     g[:] = (w - y).sum()
    ...     return 0.5 * ((w - y) ** 2).sum()
    >>> opt = fastopt.GD(np.zeros(1), lr=0.25)
    >>> hist = fastopt.fit(loss_and_grad, opt, np.ones(2), batch_size=None, epochs=3)
    >>> hist.loss, hist.epoch, hist.stopped
    ([1.0, 0.25, 0.0625], [0, 1, 2], None)
    """

    loss: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    epoch: list[int] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    stopped: str | None = None

    def to_frame(self):
        """A pandas DataFrame with a row per epoch: epoch, loss, validation (where there is one) and time."""
        try:
            from pandas import DataFrame
        except ImportError:
            raise ImportError("to_frame must have pandas installed, got none: pip install pandas") from None
        columns = {"epoch": self.epoch, "loss": self.loss, "validation": self.validation, "time": self.time}
        return DataFrame({name: values for name, values in columns.items() if values or name != "validation"})

    def plot(self, axes=None):
        """Draw the losses by epoch with matplotlib, on ``axes`` or on those of a new figure, and return the axes."""
        try:
            from matplotlib import pyplot
        except ImportError:
            raise ImportError("plot must have matplotlib installed, got none: pip install matplotlib") from None
        axes = pyplot.subplots()[1] if axes is None else axes
        axes.plot(self.epoch, self.loss, label="training")
        if self.validation:
            axes.plot(self.epoch, self.validation, label="validation")
            axes.legend()
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        return axes
