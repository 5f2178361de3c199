"""Wrong calls with arrays on the GPU: one sentence each, and nothing changed."""

import numpy as np
import pytest
from on_cuda import gpu, host
from refusals import refuse
from stand_ins import Foreign

import fastopt


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        (np.ones(40), TypeError, ["params[1]", "array", "fastopt.to_device"]),
        (Foreign(np.ones(40), strides=(16,), shape=(20,)), ValueError, ["params[1]", "contiguous", "strided"]),
        (Foreign(np.ones(40, np.int64)), TypeError, ["params[1]", "float32 or float64", "int64"]),
        (Foreign(np.ones(40), typestr=">f8"), TypeError, ["params[1]"]),
        ("w", TypeError, ["params[1]", "GPU", "'w'"]),
    ],
)
def test_parameters(bad, error, words):
    refuse(lambda: fastopt.Adam([gpu(np.ones(3)), bad]), error, *words)


def test_read_only_parameter():
    x = Foreign(np.ones(4))
    x.changes = {"data": (x.__cuda_array_interface__["data"][0], True)}
    refuse(lambda: fastopt.Adam(x), ValueError, "params", "writable", "read-only")


def test_overlapping_parameters():
    x = gpu(np.ones(10))
    refuse(lambda: fastopt.Adam([x, x[5:]]), ValueError, "params[0]", "params[1]", "overlap")


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        (np.ones((4, 5)), TypeError, ["grads", "GPU", "fastopt.to_device"]),
        (gpu(np.ones((4, 5), np.float32)), TypeError, ["float64", "float32"]),
        (gpu(np.ones((5, 4))), ValueError, ["(4, 5)", "(5, 4)"]),
        (gpu(np.ones((4, 5), order="F")), ValueError, ["contiguous", "C order"]),
        (3.0, TypeError, ["grads", "3.0"]),
    ],
)
def test_gradients(bad, error, words):
    x = gpu(np.ones((4, 5)))
    opt = fastopt.Adam(x)
    refuse(lambda: opt.step(bad), error, *words)
    assert (host(x) == 1).all()
    assert opt.t == 0


def test_all_gradients_are_checked_before_the_first_is_used():
    x = gpu([np.ones(3), np.ones(4)])
    opt = fastopt.Adam(x)
    refuse(lambda: opt.step([gpu(np.ones(3)), gpu(np.ones(5))]), ValueError, "grads[1]", "(4,)", "(5,)")
    assert (host(x[0]) == 1).all()


def test_gradient_that_overlaps():
    x = gpu(np.ones(4))
    opt = fastopt.Adam(x)
    refuse(lambda: opt.step(x), ValueError, "grads", "overlap")
    refuse(lambda: opt.step(opt.state["m"]), ValueError, "grads", "overlap")


def test_gpu_gradient_of_a_numpy_parameter():
    x = np.ones(4)
    opt = fastopt.Adam(x)
    refuse(lambda: opt.step(gpu(np.ones(4))), TypeError, "grads", "NumPy", "GPU", "to_host", unchanged=[x])


def test_packed_gpu_gradients_of_packed_numpy_parameters():
    x = fastopt.pack([np.ones(4), np.ones(3)])
    opt = fastopt.Adam(x)
    grads = fastopt.to_device(x.zeros_like())
    refuse(lambda: opt.step(grads), TypeError, "grads[0]", "NumPy", "GPU", "to_host", unchanged=[opt])


def test_a_read_only_array_is_packed_and_assigned():
    """As on the CPU: it is only read."""
    x = Foreign(np.ones(4))
    x.changes = {"data": (x.__cuda_array_interface__["data"][0], True)}
    packed = fastopt.pack([x, gpu(np.zeros(4))])
    packed[1] = x
    assert (fastopt.to_host(packed).buffers[0] == 1).all()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"device": "cpu"}, ValueError, ["params", "NumPy", "GPU"]),
        ({"parallel": True}, ValueError, ["parallel", "None"]),
        ({"threads": 1}, ValueError, ["threads", "None"]),
        ({"capturable": 1}, TypeError, ["capturable", "1"]),
        ({"capturable": True, "check_finite": True}, ValueError, ["check_finite", "capturable"]),
        ({"capturable": True, "check_finite": "skip"}, ValueError, ["check_finite", "capturable"]),
        ({"capturable": True, "lr": lambda step: 0.1}, ValueError, ["capturable", "schedule"]),
    ],
)
def test_options(options, error, words):
    refuse(lambda: fastopt.Adam(gpu(np.ones(4)), **options), error, *words)


def test_numpy_parameters_that_should_be_on_the_gpu():
    x = np.ones(4)
    refuse(lambda: fastopt.Adam(x, device="cuda"), TypeError, "params", "GPU", "fastopt.to_device", unchanged=[x])
    refuse(lambda: fastopt.Adam(x, capturable=True), ValueError, "capturable", "NumPy", unchanged=[x])


def test_moves():
    refuse(lambda: fastopt.to_device({"a": [1.0]}), TypeError, "params['a'][0]", "NumPy", "1.0")
    refuse(lambda: fastopt.to_device(np.ones((4, 4))[:, :2]), ValueError, "params", "contiguous", "strides")
    refuse(lambda: fastopt.to_host(np.ones(3)), TypeError, "params", "GPU")
    refuse(lambda: fastopt.pack([gpu(np.ones(3)), np.ones(3)]), TypeError, "params[1]", "fastopt.to_device")
