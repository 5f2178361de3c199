"""A pytest plugin: races with tiny arrays and one call in a lap, to see that they run from end to end."""

import sys


def pytest_collection_modifyitems(items):
    sys.modules["conftest"].enough_calls = lambda step: 1
    for item in items:
        vars(item.module).update(LARGE=1000, ROUNDS=4, ROUNDS_OF_LARGE=4)
