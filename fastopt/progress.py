"""Progress of long runs, where it is asked for: a bar, or a line every few seconds where nobody could see it move."""

import contextlib
import time

EVERY = 5.0  # seconds from line to line


@contextlib.contextmanager
def progress_bar(show: bool, total: int, what: str):
    """Yields ``advance(steps, text)``, which shows progress if ``show`` is true and does nothing otherwise."""
    if not show:
        yield lambda steps, text: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        raise ImportError("progress=True must have rich installed: pip install 'fastopt[cli]'") from None
    console = Console()
    if not (console.is_terminal or console.is_jupyter):
        lines = Lines(total, what)
        yield lines.advance
        lines.finish()
        return
    with Progress(console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps, text: bar.update(task, advance=steps, description=f"{what} {text}".strip())


class Lines:
    """Progress in a file or a pipe."""

    def __init__(self, total: int, what: str):
        self.total, self.what = total, what
        self.done, self.line, self.shown = 0, "", time.monotonic()

    def advance(self, steps: int, text: str):
        self.done += steps
        self.line = f"{self.what} {self.done}/{self.total} {100 * self.done // self.total}% {text}".rstrip()
        if time.monotonic() - self.shown >= EVERY:
            self.finish()

    def finish(self):
        """The last line, unless it was shown."""
        if self.line:
            print(self.line, flush=True)
        self.line, self.shown = "", time.monotonic()
