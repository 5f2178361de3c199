"""Which kind of part steps which tensors."""

from ..targets.available import require
from .cpu import CpuPart
from .sums import SumsPart


def part_of(device, rule):
    """The class for tensors on this device that this rule steps."""
    if device.type != "cuda":
        return SumsPart if rule.reduces else CpuPart
    require(f"parameters on {device}")
    from .gpu import GpuPart
    from .gpu_sums import GpuSumsPart

    return GpuSumsPart if rule.reduces else GpuPart
