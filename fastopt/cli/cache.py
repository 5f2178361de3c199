"""What ``fastopt cache`` prints and deletes: the compiled kernels on disk, ours alone."""

import os
from pathlib import Path

from ..kernels.kept import files_in, folders


def total() -> str:
    return size(file for folder in folders() for file in files_in(folder))


def show(console):
    """Each folder with its size."""
    for folder in folders():
        console.print(f"{size(files_in(folder)):24}{folder}", soft_wrap=True, markup=False)
    console.print(f"{total():24}in all")


def clear(console):
    """Empty them, and say what stays."""
    freed, stuck = [], []
    for file in (file for folder in folders() for file in files_in(folder)):
        try:
            os.unlink(file[-1])
            freed.append(file)
        except FileNotFoundError:  # another process deleted it
            continue
        except OSError:
            stuck.append(file)
    console.print(f"freed {size(freed)}; kernels are compiled again when they are needed")
    if stuck:
        console.print(f"still there, as they could not be deleted: {size(stuck)}")
    for path in _unknown({path for _, _, path in stuck}):
        text = f"left alone, as fastopt may not have written it: {path}"
        console.print(text, soft_wrap=True, markup=False)


def _unknown(ours) -> list[str]:
    """Files of Numba's in our folders whose names are not as ours were."""
    found = (str(path) for folder in folders() for path in Path(folder).glob("*.nb[ic]"))
    return sorted(path for path in found if path not in ours)


def size(files) -> str:
    sizes = [size for _, size, _ in files]
    return f"{sum(sizes) / 1e6:.1f} MB in {len(sizes)} files"
