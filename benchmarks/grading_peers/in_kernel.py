"""What hidden tests need when they run in the student's own kernel, as they do with nbgrader and otter.

The text of this module is put into the notebooks of `assignment.py`, before the checkers and the tests: there the
student's objects are at hand, and nothing travels.
"""

import numbers

import numpy as np
import torch


class Mistake(AssertionError):
    """What a checker found."""


class _AnyObject(type):
    def __instancecheck__(cls, value):
        return not isinstance(value, torch.Tensor | np.ndarray | numbers.Number | str | list | tuple | dict | None)


class Handle(metaclass=_AnyObject):
    """Whatever is not plain data."""


class Student:
    """The student's globals, with the methods that the hidden suites use."""

    def __init__(self, namespace):
        self._namespace = namespace

    def __getattr__(self, name):
        if name not in self._namespace:
            raise NameError(f"`{name}` is not defined")
        return self._namespace[name]

    def value_and_grad(self, function, *args, wrt=(0,), upstream=None, **kwargs):
        inputs = [a.detach().clone().requires_grad_() if i in wrt else a for i, a in enumerate(args)]
        value = function(*inputs, **kwargs)
        weights = torch.ones_like(value) if upstream is None else upstream.to(value.dtype)
        gradients = torch.autograd.grad(value, [inputs[i] for i in wrt], weights, allow_unused=True)
        return value.detach(), list(gradients)

    def keep(self, value):
        return value.clone() if isinstance(value, torch.Tensor) else value

    def fetch(self, value):
        return value

    def remote(self, function):
        return function

    def seed(self, number):
        torch.manual_seed(number)

    def raises(self, kinds, function, *args, **kwargs):
        try:
            function(*args, **kwargs)
        except kinds as error:
            return str(error)
        raise Mistake("no error was raised")
