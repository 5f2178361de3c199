"""The commands. What is heavy is imported inside them, so that help and wrong calls answer at once."""

import contextlib
import os
import sys
from typing import Annotated

import typer
from typer import Option

from .compare import BadInput, chosen

CSV = "a header row, then numbers; the last column is the target"

app = typer.Typer(
    help="First-order optimisers as fused Numba kernels for NumPy arrays.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@contextlib.contextmanager
def refusing():
    """Bad input ends in one sentence on stderr and exit code 2."""
    try:
        yield
    except BadInput as error:
        print(f"fastopt: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def output():
    """A rich console on stdout; in a pipe lines are as long as they need to be."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=1000)


def check_dtype(name):
    from .warmup import DTYPES

    if name not in DTYPES:
        raise BadInput(f"--dtype must be {' or '.join(DTYPES)}, got {name!r}")


@app.command()
@refusing()
def compare(
    data: Annotated[str, Option(help=f"digits, breast_cancer, diabetes, or a CSV file ({CSV}).")] = "digits",
    model: Annotated[
        str | None, Option(help="linear, logistic, softmax, poisson or mlp.", show_default="what fits the target")
    ] = None,
    hidden: Annotated[int | None, Option(help="Hidden units of the network (mlp).", show_default="64")] = None,
    l2: Annotated[float, Option(help="λ in the penalty λ/2·‖θ‖² on all parameters.")] = 1.0,
    rule: Annotated[
        list[str] | None, Option(help="A rule, or module:name of yours; repeatable.", show_default="all")
    ] = None,
    device: Annotated[list[str] | None, Option(help="cpu or cuda; repeatable.", show_default="cpu")] = None,
    epochs: Annotated[
        int | None, Option(help="Passes over the data.", show_default="about 1380 updates: 60 on digits")
    ] = None,
    batch_size: Annotated[int, Option(help="Examples per update (gd, Rprop, MemorylessBFGS take all).")] = 64,
    lr: Annotated[float | None, Option(help="Learning rate to start with.", show_default="each rule's own")] = None,
    seed: Annotated[
        int, Option(help="Decides what is held out, the order of the examples, and where the network starts.")
    ] = 0,
    plot: Annotated[str | None, Option(metavar="OUT.png", help="Write a picture of the runs.")] = None,
    json: Annotated[str | None, Option(metavar="OUT.json", help="Write everything that was measured.")] = None,
):
    """Train a real model with every rule (serial, parallel, on a GPU), and compare the results with SciPy's optimum."""
    # Threads that wait busily lose their core to any other process for milliseconds, per step; read when they start.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from .compare.request import Request, perform

    devices = device or ["cpu"]
    perform(Request(data, model, hidden, l2, rule or [], devices, epochs, batch_size, lr, seed, plot, json), output())


@app.command()
@refusing()
def rules():
    """Print the rules with their equations, state and defaults."""
    from .rules import show_rules

    show_rules(output())


@app.command()
@refusing()
def info():
    """Print versions, threads, the GPU, the cache folder, and the size from which threads are used."""
    from .info import facts, thresholds

    console = output()
    for name, value in facts():
        console.print(f"{name:16}{value}", soft_wrap=True, markup=False)
    console.print(thresholds())


@app.command()
@refusing()
def cache(clear: Annotated[bool, Option("--clear", help="Delete the compiled kernels.")] = False):
    """Print where compiled kernels are kept and how much they take, or delete them: fastopt's, no others of Numba's."""
    from . import cache as commands

    (commands.clear if clear else commands.show)(output())


@app.command()
@refusing()
def warmup(
    rule: Annotated[list[str] | None, Option(help="A rule to prepare; repeatable.", show_default="all")] = None,
    dtype: Annotated[list[str] | None, Option(help="float32 or float64; repeatable.", show_default="both")] = None,
):
    """Compile the kernels that later runs will need, also for the GPU if there is one, and keep them in the cache."""
    from .warmup import DTYPES, run

    for name in dtype or []:
        check_dtype(name)
    run(chosen(rule or []), list(dict.fromkeys(dtype or DTYPES)), output())


@app.command()
@refusing()
def crossover(
    rule: Annotated[str, Option(help="The rule to step.")] = "adam",
    dtype: Annotated[str, Option(help="float32 or float64.")] = "float32",
    plot: Annotated[str | None, Option(metavar="OUT.png", help="Write a picture of time against size.")] = None,
):
    """Time steps of every size on every target, and say from what size on threads pay, and from what size a GPU.

    On a GPU, steps are queued one after another, as a training loop queues them, and waited for once at the end.
    """
    from .compare.request import check_picture
    from .crossover_report import perform

    (one,) = chosen([rule])
    check_dtype(dtype)
    if plot is not None:
        check_picture(plot)
    perform(one, dtype, plot, output())
