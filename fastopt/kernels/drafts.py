"""Callees of compiled code, which LLVM optimises where they are called, and nowhere else.

Numba makes machine code of each function, and of all that it calls, each time anew: of a helper's helper three times.
What compiled code alone calls needs none of its own. So it is handed on as it was written, and optimised in its
callers. (Private parts of Numba's: where these are called otherwise, functions are compiled as Numba does it.)
"""

from llvmlite import binding, ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

ENVIRONMENT = "_ZN08NumbaEnv"  # where Numba keeps the address of a function's Python objects


class _Draft(JITCodeLibrary):
    def _optimize_final_module(self):
        """Left to the callers."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._add_environments()
        self._finalized = True

    def _add_environments(self):
        """Numba fills them as soon as the function is compiled."""
        module = self._codegen._create_empty_module(self.name)
        for name in [each.name for each in self._final_module.global_variables if each.name.startswith(ENVIRONMENT)]:
            place = ir.GlobalVariable(module, ir.IntType(8).as_pointer(), name)
            place.linkage, place.initializer = "common", ir.Constant(place.value_type, None)
        self._codegen._add_module(binding.parse_assembly(str(module)))
        self._codegen._engine.finalize_object()


class _Cold(_Draft):
    def _optimize_final_module(self):
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == binding.Linkage.external:
                function.add_function_attribute("noinline")
                function.add_function_attribute("minsize")


class Drafting(Compiler):
    """For ``pipeline_class`` of Numba's decorators."""

    library = _Draft

    def __init__(self, typingctx, targetctx, library, *others):
        super().__init__(typingctx, targetctx, library or self.library(targetctx.codegen(), "draft"), *others)


class DraftingCold(Drafting):
    """The same for what is seldom called: kept out of its callers, and small, which no loop is that is unrolled."""

    library = _Cold
