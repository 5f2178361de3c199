"""A training script as users write it, of which only the import changes: the same losses, also where it is resumed."""

import json
import subprocess
import sys

import pytest
import torch
from processes import with_package

pytestmark = pytest.mark.needs("peers", "torch")

SCRIPT = """
import json
import sys

import torch
from torch import nn
from {module} import {name}

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
)
decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() == 1]
groups = [{{"params": decayed, "weight_decay": 0.01}}, {{"params": others, "weight_decay": 0.0}}]
optimizer = {name}(groups, {options})
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
loss_of = nn.CrossEntropyLoss()
y = torch.arange(48) % 3
x = torch.randn(48, 1, 6, 6) * (1 + y.view(-1, 1, 1, 1))

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if first:
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
losses = []
for epoch in range(first, last):
    for batch in torch.arange(48).split(16):
        optimizer.zero_grad()
        loss = loss_of(model(x[batch]), y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
torch.save(
    {{"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}}, path
)
print(json.dumps(losses))
"""


def run(folder, first, last, **given):
    """The losses of some epochs, of new objects."""
    before = torch.get_num_threads(), sys.argv
    sys.argv = ["train.py", str(folder / "checkpoint.pt"), str(first), str(last)]
    try:
        with torch.random.fork_rng():
            names = {}
            exec(SCRIPT.format(**{"options": "lr=0.01", **given}), names)
    finally:
        torch.set_num_threads(before[0])
        sys.argv = before[1]
    return names["losses"]


def run_alone(folder, first, last, **given):
    """The same in a process of its own."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(**{"options": "lr=0.01", **given}), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script), str(folder / "checkpoint.pt"), str(first), str(last)]
    done = subprocess.run(command, env=with_package(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


THEIRS, OURS = {"module": "torch.optim"}, {"module": "fastopt.torch"}


@pytest.mark.parametrize(
    ("name", "options"), [("AdamW", "lr=0.01"), ("SGD", "lr=0.1, momentum=0.9, nesterov=True"), ("RMSprop", "lr=0.01")]
)
def test_only_the_import_changes(tmp_path, name, options):
    """In one go by theirs; in two parts by ours, the second of which goes on from the file of the first."""
    given = {"name": name, "options": options}
    theirs = run(tmp_path, 0, 8, **THEIRS, **given)
    ours = run(tmp_path, 0, 4, **OURS, **given) + run(tmp_path, 4, 8, **OURS, **given)
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert theirs[-1] < 0.9 * theirs[0]


def test_flat_and_theirs_by_turns(tmp_path):
    """Begun by ours in one buffer, gone on with by theirs, and by ours in another process."""
    theirs = run(tmp_path, 0, 6, **THEIRS, name="Adam")
    mixed = run(tmp_path, 0, 2, **OURS, name="Adam", options="lr=0.01, flat=True")
    mixed += run(tmp_path, 2, 4, **THEIRS, name="Adam")
    mixed += run_alone(tmp_path, 4, 6, **OURS, name="Adam", options="lr=0.01, flat=True")
    assert mixed == pytest.approx(theirs, rel=1e-6)
