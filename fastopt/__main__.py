"""``python -m fastopt`` is ``fastopt``."""

from .cli import main

if __name__ == "__main__":
    main()
