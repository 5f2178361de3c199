"""An optimiser that steps arrays in place.

Make one with the constructor of a rule (`fastopt.Adam`, `fastopt.SGD` and the others), give it the arrays to step, and
call ``step`` with gradients of the same structure:

>>> import numpy as np, fastopt
>>> params = {"W": np.ones((2, 3)), "b": np.zeros(3)}
>>> opt = fastopt.Adam(params, lr=0.01)
>>> opt.step({"W": np.ones((2, 3)), "b": None})  # None leaves an array as it is
>>> params["W"][0], params["b"], opt.t
(array([0.99, 0.99, 0.99]), array([0., 0., 0.]), 1)

``params`` is an array, or a sequence or mapping of arrays, nested as deep as you like. The arrays are float32 or
float64, contiguous, in C or Fortran order. Gradients have their shapes, dtype and order, and are never written. The
optimiser keeps dicts and lists of its own: an array that is put into yours later is not stepped.

## Hyperparameters that differ between arrays

A list of groups, each a mapping with the key "params":

>>> w, b = np.ones(2), np.ones(2)
>>> opt = fastopt.SGD([{"params": w, "lr": 0.5}, {"params": b}], lr=0.25)
>>> opt.step([np.ones(2), np.ones(2)])  # one structure of gradients per group
>>> w, b
(array([0.5, 0.5]), array([0.75, 0.75]))

## Hyperparameters that change

Any of them may be a function of the step, such as those in `fastopt.schedules`:

>>> x = np.zeros(1)
>>> opt = fastopt.SGD(x, lr=fastopt.schedules.cosine(1.0, steps=2))
>>> for _ in range(2):
...     opt.step(np.array([-1.0]))  # steps of 1 and of 1/2
>>> x
array([1.5])

They are attributes, too. What is assigned is checked, and holds from the next step on; other names are refused.

>>> opt.lr = 0.25
>>> opt.step(np.array([-1.0]))
>>> x
array([1.75])

## Clipping, decay, bad gradients

With every rule, in this order: ``clip_value`` clips each element of the gradient, ``clip_norm`` scales all gradients
together to a norm of at most that, ``maximize`` turns the direction around, ``weight_decay`` adds L2 decay.
``check_finite=True`` refuses a gradient with NaN or infinity before anything is changed, and ``check_finite="skip"``
leaves that step out:

>>> x = np.ones(2)
>>> opt = fastopt.Adam(x, clip_norm=1.0, check_finite="skip")
>>> opt.step(np.array([1.0, np.nan]))
>>> x, opt.skipped
(array([1., 1.]), 1)

## Averages

With ``ema=0.999``, or with ``average="polyak"`` for the mean of all steps, the optimiser keeps an average of the
parameters in the same pass, in one more state array. It is often the better answer: it has the noise of the last
gradients averaged out. ``opt.averaged`` reads it, and in the block of ``opt.swapped()`` it stands in the parameters,
for code that only knows those. `fastopt.fit` evaluates held-out data there, checkpoints hold it, and ``ema`` is a
hyperparameter like others. The schedule-free rules have such an average of their own.

>>> x = np.array([4.0])
>>> opt = fastopt.SGD(x, lr=1.0, average="polyak")
>>> for g in (1.0, 1.0, -1.0):
...     opt.step(np.array([g]))  # to 3, 2 and 3
>>> x, opt.averaged.round(3)
(array([3.]), array([2.667]))
>>> with opt.swapped():
...     print(x.round(3))
[2.667]

An array is copied into its average in its first step, as PyTorch's ``AveragedModel`` and Keras's ``use_ema`` do; until
then the average is what the parameter was when the optimiser was made.

## Many small arrays

A step of a hundred arrays is a hundred kernel calls, unless they share their memory: `fastopt.pack` copies a nest into
views over one buffer, and a step is one call.

>>> params = fastopt.pack({"W": np.ones((2, 3)), "b": np.zeros(3)})
>>> grads = params.zeros_like()
>>> grads["W"] = np.ones((2, 3))
>>> fastopt.SGD(params, lr=0.5).step(grads)
>>> params["W"][0]
array([0.5, 0.5, 0.5])

## Checkpoints

`fastopt.save` writes parameters, state, step and hyperparameters to one file, which appears whole or not at all;
`fastopt.load` brings them back, and training goes on to the same bits. Arrays are found by their keys, in full and in
any order; a file that is damaged, or that does not fit, is refused before anything is changed. ``state_dict`` and
``load_state_dict`` do it in memory, without the parameters.

Speed
-----
The first step compiles the rule's kernel, or takes it from the disk cache; ``fastopt warmup`` does that beforehand.
From some 10⁴ elements on, several threads share a step (``parallel``, ``threads``); the result is the same to the bit.
"""
