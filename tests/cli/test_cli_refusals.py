"""The command line and bad input: one line on stderr, exit code 2, never a traceback."""

import re
import subprocess
import sys

import numpy as np
import pytest
from command_line import QUICK, fresh, refusal, write_csv

from fastopt.cli.compare import csvfile
from fastopt.cli.compare.data import Table, default_model
from fastopt.targets import missing

GOOD = [f"{k},{k % 3}" for k in range(12)]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["x,y", *GOOD, "1,"], "table.csv, row 14, column y: must be a number, got an empty cell"),
        (["x,y", "1,2", "3"], "table.csv, row 3, column y: must be a number, got an empty cell"),
        (["x,y", "1,2", "", "abc,3"], "table.csv, row 4, column x: must be a number, got 'abc'"),
        (["x,y", "1,2", "nan,3"], "table.csv, row 3, column x: must be a finite number, got 'nan'"),
        (["x,y", "1,2,3"], "table.csv, row 2: must have 2 cells as the header has, got 3"),
        (["x,y", "1,2"], "must have at least 10 rows below the header, got 1"),
        (["x y", "1 2"], "must have two columns or more, separated by commas"),
        (["x;y", "1;2"], "must have at least 10 rows below the header, got 1"),
        (["x;y", "1;2", "3,5;4"], "row 3, column x: must be a number (with a decimal point), got '3,5'"),
        ([",x,y", *(f"{k},{line}" for k, line in enumerate(GOOD))], "column 1: must have a name, got none"),
        ([" ,x,y", "0,1,2"], "df.to_csv(..., index=False)"),
        (["x,,y", "1,2,3"], "column 2: must have a name, got none in the first row"),
        (["x,y", "yes,1"], "row 2, column x: must be a number, got 'yes'"),
        ([], "must have two columns or more"),
        (["x,y", *(f"{k}e200,{k}" for k in range(12))], "must have numbers whose squares are finite"),
        (["x,y", *(f"{k},7" for k in range(12))], "must have a target that varies"),
    ],
)
def test_bad_csv(tmp_path, lines, says):
    assert says in refusal(*QUICK, "--data", write_csv(tmp_path / "table.csv", lines))


def test_semicolons_and_truth_values_are_read(tmp_path):
    path = write_csv(tmp_path / "table.csv", ["a; b ;target", *(f"{k}.5;{k % 2 == 0};{k % 3 > 1}" for k in range(12))])
    X, y = csvfile.read(str(path))
    assert X.tolist() == [[k + 0.5, float(k % 2 == 0)] for k in range(12)]
    assert y.tolist() == [float(k % 3 > 1) for k in range(12)]
    assert default_model(Table("t", X, y, labels=None)) == "logistic"


def test_csv_that_is_no_text(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"x,y\n\xff\xfe,1\n")
    assert "must be a CSV file in UTF-8" in refusal(*QUICK, "--data", path)
    assert "must be a file that can be read" in refusal(*QUICK, "--data", tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rule", "adm"], "--rule must be one of gd, sgd, momentum"),
        (["--data", "iris"], "--data must be digits, breast_cancer, diabetes or a CSV file, got 'iris'"),
        (["--data", "nowhere.csv"], "--data must be a file that can be read, got nowhere.csv"),
        (["--model", "tree"], "--model must be linear, logistic, softmax, poisson, mlp, got 'tree'"),
        (["--model", "logistic"], "--model logistic must have two classes, got 10 in digits"),
        (["--model", "linear"], "--model linear must have a quantity as target, got the class labels of digits"),
        (["--model", "poisson"], "got the class labels of digits"),
        (
            ["--data", "diabetes", "--model", "softmax"],
            "must have class labels as target, got the quantities of diabetes",
        ),
        (["--hidden", "8"], "--hidden must come with --model mlp, got --model softmax"),
        (["--hidden", "0", "--model", "mlp"], "--hidden must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--batch-size", "-1"], "--batch-size must be at least 1, got -1"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--l2", "-1"], "--l2 must be finite and at least 0, got -1"),
        (["--lr", "0"], "--lr must be finite and greater than 0, got 0"),
        (["--lr", "nan"], "--lr must be finite and greater than 0, got nan"),
        (["--plot", "out.txt"], "--plot must end in .png, .svg, .pdf, got 'out.txt'"),
        (["--plot", "nowhere/out.png"], "--plot must be a file that can be written, got nowhere/out.png"),
        (["--device", "gpu"], "--device must be cpu or cuda, got 'gpu'"),
        (["--json", "."], "--json must be a file that can be written, got the folder ."),
    ],
)
def test_bad_option(options, says):
    assert says in refusal("compare", *options)


@pytest.mark.skipif(missing() is None, reason="there is a GPU")
def test_no_gpu():
    says = refusal("compare", "--device", "cpu", "--device", "cuda")
    assert says == f"fastopt: --device cuda must have CUDA, got none: {missing()}\n"
    assert re.search(r"the package numba-cuda|the NVIDIA driver|no CUDA device|NUMBA_DISABLE_CUDA", says)


def test_counts_must_be_counts(tmp_path):
    y = np.arange(12) - 1.0
    path = write_csv(tmp_path / "table.csv", y=y)
    says = refusal("compare", "--data", path, "--model", "poisson")
    assert "must have counts 0, 1, 2, ... as target, got -1 in table.csv" in says
    write_csv(path, y=0 * y)
    assert "not all of them 0" in refusal("compare", "--data", path, "--model", "poisson")


def test_a_file_that_cannot_be_written_is_refused_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "permission denied" in refusal(*QUICK, "--json", tmp_path / "out.json")


def test_no_traceback_reaches_the_terminal():
    done = fresh("compare", "--data", "nowhere.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastopt: --data must be a file that can be read, got nowhere.csv")
    done = fresh("compare", "--epochs", "many")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 600


def test_a_missing_extra_is_named():
    program = "import sys; sys.modules['typer'] = None; import fastopt.cli; fastopt.cli.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'fastopt: the command line needs more packages: pip install "fastopt[cli]"\n'


def test_warmup_refuses_what_it_does_not_know():
    assert "--rule must be one of" in refusal("warmup", "--rule", "newton")
    assert "--dtype must be float32 or float64, got 'int8'" in refusal("warmup", "--dtype", "int8")
