"""A progress bar for long runs, where it is asked for."""

import contextlib


@contextlib.contextmanager
def progress_bar(show: bool, total: int, what: str):
    """Yields ``advance(steps, text)``, which shows progress if ``show`` is true and does nothing otherwise."""
    if not show:
        yield lambda steps, text: None
        return
    try:
        from rich.progress import Progress
    except ImportError:
        raise ImportError("progress=True must have rich installed: pip install 'fastopt[cli]'") from None
    with Progress() as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps, text: bar.update(task, advance=steps, description=f"{what} {text}".strip())
