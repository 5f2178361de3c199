"""The examples that a training goes through: arrays of one length, which the loss can take."""

from ..errors import listing, shorten
from ..kernels.bind import first_reason
from ..step.inside import target_of
from .arguments import as_arguments


def examples_of(name, data, opt, loss_and_grad):
    """Data as a list of arrays, and their shapes; raises unless they are examples, and those of this loss.

    A loss may have an attribute ``check_data``, as those of ``fastopt.problems`` have: it is called once, with the
    parameters as the loss gets them and a dict of the arrays by name, and raises what there is to say.
    """
    arrays, target = list(data) if isinstance(data, (tuple, list)) else [data], target_of(opt)
    named = {f"{name}[{i}]": a for i, a in enumerate(arrays)}
    shapes = [target.examples(*item) for item in named.items()]
    lengths = {shape[0] for shape in shapes}
    if len(lengths) != 1 or lengths == {0}:
        got = listing(shapes)
        raise ValueError(f"{name} must hold arrays with the same number of examples, at least one, got shapes {got}")
    check_data = getattr(loss_and_grad, "check_data", None)
    if check_data is not None and not target.is_gpu:
        check_data(as_arguments(opt.params), named)
    return arrays, shapes


def held_out_of(validation, opt, loss_and_grad, data, shapes):
    """Validation data like these data of these shapes: the arrays, and how many examples they hold."""
    arrays, others = examples_of("validation", validation, opt, loss_and_grad)
    if [shape[1:] for shape in others] != [shape[1:] for shape in shapes]:
        got = listing(others)
        raise ValueError(f"validation must hold arrays like those of data, got shapes {got}")
    for i, (a, like) in enumerate(zip(arrays, data)):
        kinds = [str(getattr(one, "dtype", "")) for one in (a, like)]
        if kinds[0] != kinds[1] and any("float" in kind for kind in kinds):  # a loss would compute in another precision
            raise TypeError(
                f"validation[{i}] must have dtype {shorten(kinds[1], 50)} like data[{i}], got {shorten(kinds[0], 50)}"
            )
    return arrays, others[0][0]


def refuse_mixed_floats(data, wanted, error):
    """Say so where a loss did not compile and examples have another dtype than the parameters, which Numba refuses to
    multiply by each other."""
    for i, a in enumerate(data):
        if a.dtype.kind == "f" and a.dtype != wanted:
            reason = shorten(first_reason(error.__cause__ or error), 120)
            raise TypeError(
                f"data[{i}] must have the dtype of the parameters, {wanted}, for this loss, got {a.dtype}: {reason}"
            ) from error
