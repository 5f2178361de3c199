"""Kept out of torch.compile."""

from contextlib import suppress


def not_compiled(function):
    """Keep torch.compile out of a function and of all that it calls: it cannot look into kernels.

    Its own decorator would cost some 2 µs in each call, and import the compiler.
    """
    function._torchdynamo_disable = True
    with suppress(ImportError, AttributeError):
        from torch._C._dynamo.eval_frame import _FrameAction as Action
        from torch._C._dynamo.eval_frame import _FrameExecStrategy as Strategy
        from torch._C._dynamo.eval_frame import set_code_exec_strategy

        set_code_exec_strategy(function.__code__, Strategy(Action.SKIP, Action.SKIP))
