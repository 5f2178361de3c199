"""Every public entry refuses whatever it is handed in one sentence of at most 300 characters."""

import pytest
from hostile import VALUES, complaint, entries


@pytest.mark.parametrize("value", VALUES)
def test_one_short_sentence(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = [complaint(name, call, VALUES[value]()) for name, call in entries()]
    assert not any(wrong), "\n".join(filter(None, wrong))
