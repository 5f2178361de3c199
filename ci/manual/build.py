"""Build the manual: ``python ci/manual/build.py FOLDER``, with pdoc, from the docstrings.

A room's docstring is its chapter; the chapter `fastopt` has every public name. What is generated is added here: the
table of rules, what `fastopt compare` found of each, and the command line's help.
"""

import sys
from importlib import import_module
from pathlib import Path

import pdoc
import typer

import fastopt
import fastopt.torch
from fastopt.cli.commands import app
from fastopt.rules.table import rules_markdown
from fastopt.step.attributes import Attributes

HERE = Path(__file__).parent
sys.path += [str(HERE.parents[1] / "bench"), str(HERE.parents[1] / "tests")]

import which_rule  # noqa: E402
from conformance.table import markdown as conformance  # noqa: E402

CHAPTERS = ("step", "jit", "solve", "train", "distributed", "torch", "derivatives", "rules", "schedules", "targets")
CHAPTERS += ("problems", "cli")
ROOMS = ("step", "solve", "train", "rules", "targets", "distributed", "cli")  # whose names are those of fastopt

EQUATIONS = f"""
## The equations

θ is a parameter, g its gradient, t the step (1 at the first).

{rules_markdown()}
"""
DIALECTS = f"""
## The same as the frameworks

Measured on the frameworks themselves: 100 steps in float64 along random gradients, random ones of 1e-8, the gradients
of a quadratic, and with a falling lr; of defaults and options. A cell says whether the steps are the same with the same
arguments, with ``preset=`` or with the keywords shown, and the largest difference, relative to how far a parameter had
come. A cell with "no counterpart" and a number is another rule under this name; – means that there is none.

{conformance()}
"""
FIGURES = f"""
## What they did on two problems

On handwritten digits, in batches of 64, every lr falling to 0 along a cosine: softmax regression with L2 decay, which
is convex, for 60 epochs (epochs until the loss was within 10 % and 1 % of SciPy's optimum, and how far from it in the
end), and a network with 64 hidden units for 20 (the loss reached, and the accuracy on examples held out). `GD` takes as
many updates as the others, each over all the data. lr was tuned for each rule. To run it again:

    {(chr(10) + "    ").join(which_rule.RUNS.values())}

{which_rule.markdown()}
"""


def prepare():
    """Give pdoc what it cannot see by itself."""
    for room in ROOMS:
        import_module(f"fastopt.{room}").__all__ = []
    fastopt.__all__ = [*CHAPTERS, *(name for name in fastopt.__all__ if name not in CHAPTERS)]
    for name, member in vars(Attributes).items():  # a base class that nobody asks for by name
        if not name.startswith("_"):
            setattr(fastopt.Optimizer, name, member)
    rules = [name for name in dir(fastopt.jit) if name not in vars(fastopt.jit)]
    for name in rules:  # functions of Numba, made when they are asked for
        setattr(fastopt.jit, name, getattr(fastopt.jit, name).py_func)
    for name in ("clip_norm", "all_finite"):
        setattr(fastopt.jit, name, getattr(fastopt.jit, name).py_func)
    fastopt.jit.__all__ = [*rules, "step", "clip_norm", "all_finite"]
    fastopt.rules.__doc__ += DIALECTS + FIGURES + EQUATIONS
    fastopt.cli.__doc__ += "\n\n" + commands()


def commands():
    """The help of every command, as markdown."""
    from typer.cli import get_docs_for_click

    click = typer.main.get_command(app)
    return get_docs_for_click(obj=click, ctx=typer.Context(click), name="fastopt").partition("\n")[2]


def unexplained(folder):
    """The public names of which the manual says nothing."""
    for module in (fastopt, fastopt.jit, fastopt.torch, fastopt.schedules, fastopt.problems):
        page = folder.joinpath(*module.__name__.split(".")).with_suffix(".html").read_text(encoding="utf-8")
        yield from (f"{module.__name__}.{name}" for name in module.__all__ if f'id="{name}"' not in page)


def main(folder):
    names = fastopt.__all__
    prepare()
    footer = f"fastopt {fastopt.__version__}"
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text=footer, template_directory=HERE)
    pdoc.pdoc("fastopt", r"!fastopt\..+", *(f"fastopt.{name}" for name in CHAPTERS), output_directory=folder)
    fastopt.__all__ = [name for name in names if name not in CHAPTERS]
    if missing := [*unexplained(folder)]:
        sys.exit(f"every public name must be in the manual, got none of {', '.join(missing)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
