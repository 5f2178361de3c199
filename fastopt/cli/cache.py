"""What ``fastopt cache`` prints and deletes: the compiled kernels on disk, ours alone."""

from ..kernels.kept import files_in, folders, shrink


def total() -> str:
    return size(file for folder in folders() for file in files_in(folder))


def show(console):
    """Each folder with its size."""
    for folder in folders():
        console.print(f"{size(files_in(folder)):24}{folder}", soft_wrap=True, markup=False)
    console.print(f"{total():24}in all")


def clear(console):
    """Empty them."""
    before = total()
    for folder in folders():
        shrink(folder, 0)
    console.print(f"freed {before}; kernels are compiled again when they are needed")


def size(files) -> str:
    sizes = [size for _, size, _ in files]
    return f"{sum(sizes) / 1e6:.1f} MB in {len(sizes)} files"
