"""What the number types of this room have in common, for Numba's typing: what is converted to them, and in arrays."""

from numba import types
from numba.core.typeconv import Conversion

REALS = types.Integer, types.Float, types.Boolean


class Element(types.Type):
    """A number type of ours. It is no ``types.Number``: Numba would take it for one that it can compile itself."""

    def takes(self, other) -> bool:
        """Whether values of the other type are converted to this one where both meet."""
        return isinstance(other, REALS)

    def can_convert_from(self, typingctx, other):
        return Conversion.safe if self.takes(other) else None

    def unify(self, typingctx, other):
        return self if self.takes(other) else None


def common(kinds):
    """The one among these types that all the others are converted to; None where there is none of ours."""
    for kind in kinds:
        if isinstance(kind, Element) and all(other == kind or kind.takes(other) for other in kinds):
            return kind
    return None
