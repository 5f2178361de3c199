"""What is compared: for each rule and framework that has it, the framework's name for it, and options of both."""

import fastopt
from conformance.cells_keras import KERAS_CELLS, SKLEARN
from conformance.cells_optax import OPTAX
from conformance.cells_timm import TIMM
from conformance.cells_torch import PYTORCH

CELLS = {
    (cell.label, cell.framework): cell
    for cell in PYTORCH + OPTAX + KERAS_CELLS + SKLEARN + TIMM
    if hasattr(fastopt, cell.label)
}
