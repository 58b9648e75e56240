"""Hidden tests of the mini course: one with weights, one with gradients, one on a class, one with a callback."""

import torch

from autograder.judge import assert_close, assert_equal, exercise


@exercise("softmax", weight=2)
def test_softmax_values(student, rng):
    """Each row holds the probabilities of its logits."""
    logits = torch.from_numpy(rng.normal(size=(3, 4)))
    assert_close(student.softmax(logits), torch.softmax(logits, -1))


@exercise("softmax")
def test_softmax_survives_large_logits(student, rng):
    """Large logits overflow.

    Subtract the maximum of each row first.
    """
    logits = torch.from_numpy(rng.normal(size=(3, 4))) * 1e4
    assert_close(student.softmax(logits), torch.softmax(logits, -1))


@exercise("softmax")
def test_softmax_gradient(student, rng):
    """Gradients reach the logits."""
    logits = torch.from_numpy(rng.normal(size=(3, 4))).requires_grad_()
    upstream = torch.from_numpy(rng.normal(size=(3, 4)))
    _, (found,) = student.value_and_grad(student.softmax, logits, upstream=upstream)
    (wanted,) = torch.autograd.grad(torch.softmax(logits, -1), logits, upstream)
    assert_close(found, wanted)


@exercise("entropy")
def test_entropy_of_drawn_logits(student, rng):
    """The entropy is that of the softmax of the logits."""
    logits = torch.from_numpy(rng.normal(size=(3, 4)))
    assert_close(student.entropy(logits), torch.distributions.Categorical(logits=logits).entropy())


@exercise("Counter")
def test_counter_adds(student, rng):
    """A counter remembers what it has counted."""
    start = int(rng.integers(5, 50))
    counter = student.Counter(start)
    assert_equal(counter.add(3), start + 3)
    assert_equal(counter.value, start + 3)


@exercise("Counter")
def test_counters_are_separate(student, rng):
    """Two counters do not share their value."""
    start = int(rng.integers(5, 50))
    first, second = student.Counter(start), student.Counter(start)
    first.add(1)
    assert_equal(second.value, start)


@exercise("descend")
def test_descend_follows_the_gradient(student, rng):
    """Each step subtracts a tenth of the gradient."""
    start = torch.from_numpy(rng.normal(size=3))
    asked = []

    def gradient(point):
        asked.append(point)
        return point

    assert_close(student.descend(gradient, start, 3), start * 0.9**3)
    assert len(asked) == 3, f"the gradient was asked for {len(asked)} times in 3 steps"


@exercise("fact")
def test_fact_is_known(student):
    """A week has so many days."""
    assert_equal(student.fact, 7)
