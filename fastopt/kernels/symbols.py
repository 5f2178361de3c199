"""Names of compiled functions that are no other's, in whichever process.

Numba names what it compiles by module, qualified name, types and a number, which it counts from 1 in each process. A
kernel in the disk cache brings the functions that it calls under such names; of two with the same name, which other
processes compiled with other globals or other text, the linker takes the first for both. So the count begins at
random. (A private attribute: without it the names are as Numba gives them.)
"""

import os
import secrets
from itertools import count

from numba.core.bytecode import FunctionIdentity

BITS = 62


def begin_anywhere():
    if hasattr(FunctionIdentity, "_unique_ids"):
        FunctionIdentity._unique_ids = count(secrets.randbits(BITS))


begin_anywhere()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_anywhere)
