"""What must not be left half done, whatever a signal's handler raises in its midst."""

TRIES = 10  # in a row: an error that comes as often is no interrupt


def to_the_end(work, *args) -> None:
    """Call ``work`` until it ran through, then raise what came in its midst, the first if there was more.

    Each call goes on where the last one was, or does the same once more. There are two loops because CPython may
    look for signals where one jumps back, and an interrupt at that place of the inner one must not get away.
    """
    came, tries = None, TRIES
    while True:
        try:
            while True:
                try:
                    work(*args)
                    break
                except BaseException as error:
                    came, tries = error if came is None else came, tries - 1
                    if not tries:
                        break
            break
        except BaseException as error:
            came = error if came is None else came
    if came is not None:
        try:
            raise came
        finally:
            del came  # which would keep all arrays alive: its traceback knows this frame
