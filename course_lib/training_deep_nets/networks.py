"""A small classifier with everything of this lecture as an option, and the experiments that compare the options.

It is made of PyTorch's own functions where a notebook asks for ours, so that it runs before these have been written; a
test holds both together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F

from course_lib.kit.data import Dataset
from course_lib.optimization import Momentum
from course_lib.softmax_regression import minibatches, negative_log_likelihood, softmax
from course_lib.training_deep_nets.ensembles import average_parameters, ensemble_probabilities, ensemble_vote, snapshots
from course_lib.training_deep_nets.hyperparameters import is_hopeless
from course_lib.training_deep_nets.initialization import he_init


def _first_weights(units: int, inputs: int, generator: torch.Generator | None) -> torch.Tensor:
    return torch.randn(units, inputs, generator=generator) * math.sqrt(2 / inputs)  # as he_init


class NormParameters(NamedTuple):
    """What one layer of batch normalization learns, and its running statistics; each of shape (units,)."""

    gamma: torch.Tensor
    beta: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor


class Net:
    """A multilayer perceptron with ReLU, and, as options, batch normalization and dropout in
    its hidden layers.

    Where batch normalization belongs is not agreed upon. "before": between the linear layer
    and ReLU, the classic place; the linear layer then has no bias, which the subtraction of
    the mean would remove. "after": behind ReLU. The logits are never normalized, and each
    layer has a normalization of its own.

    Args:
        sizes: numbers of units, from the inputs to the logits.
        norm: "none", "before" or "after".
        keep: probability of keeping a hidden activation; 1 is no dropout.
        generator: source of the first weights (as `he_init`; biases 0) on the CPU; None means
            torch's global one.

    Raises:
        ValueError: there is no such norm.

    >>> net = Net([4, 8, 3], norm="before")
    >>> net.logits(torch.zeros(5, 4)).shape
    torch.Size([5, 3])

    Source: lecture 7, where to put batch normalization. L07.06.
    """

    def __init__(
        self, sizes: Sequence[int], norm: str = "none", keep: float = 1.0, generator: torch.Generator | None = None
    ) -> None:
        if norm not in ("none", "before", "after"):
            raise ValueError(f"norm is {norm!r}, expected 'none', 'before' or 'after'")
        self.norm, self.keep = norm, keep
        self.weights = [_first_weights(units, inputs, generator) for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units) for units in sizes[1:]]
        self.norms = [
            NormParameters(torch.ones(units), torch.zeros(units), torch.zeros(units), torch.ones(units))
            for units in (sizes[1:-1] if norm != "none" else ())
        ]
        for parameter in self.parameters:
            parameter.requires_grad_()

    @property
    def parameters(self) -> list[torch.Tensor]:
        """What is learned: weights, biases (with norm="before" of the last layer only), gammas and betas."""
        biases = self.biases[-1:] if self.norm == "before" else self.biases
        return [*self.weights, *biases, *(tensor for layer in self.norms for tensor in (layer.gamma, layer.beta))]

    @property
    def state(self) -> list[torch.Tensor]:
        """All that the net needs at test time: the parameters, and the running statistics of batch normalization."""
        running = [tensor for layer in self.norms for tensor in (layer.running_mean, layer.running_var)]
        return [*self.parameters, *running]

    def load(self, state: Sequence[torch.Tensor]) -> Net:
        """Write a state, for example a snapshot, into the net; give the net itself."""
        with torch.no_grad():
            for mine, new in zip(self.state, state, strict=True):
                mine.copy_(new)
        return self

    def to(self, device: torch.device | str) -> Net:
        """Move the net to a device; give the net itself."""
        self.weights = [weight.detach().to(device).requires_grad_() for weight in self.weights]
        self.biases = [bias.detach().to(device).requires_grad_(bias.requires_grad) for bias in self.biases]
        self.norms = [
            NormParameters(*(t.detach().to(device).requires_grad_(t.requires_grad) for t in layer))
            for layer in self.norms
        ]
        return self

    def logits(self, x: torch.Tensor, train: bool = False, generator: torch.Generator | None = None) -> torch.Tensor:
        """Give the logits (N, C) of inputs (N, D); train=True uses batch statistics and draws dropout masks."""
        a = x
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = a @ weight.T
            if layer == last:
                return z + bias
            if self.norm == "before":
                a = torch.relu(self._normalize(layer, z, train))
            else:
                a = torch.relu(z + bias)
            if self.norm == "after":
                a = self._normalize(layer, a, train)
            if self.keep < 1 and train:
                kept = torch.rand(a.shape, generator=generator) < self.keep
                a = a * kept.to(a.device) / self.keep
        raise AssertionError("unreachable: a net has at least one layer")

    def _normalize(self, layer: int, a: torch.Tensor, train: bool) -> torch.Tensor:
        norm = self.norms[layer]
        return F.batch_norm(a, norm.running_mean, norm.running_var, norm.gamma, norm.beta, training=train)

    @torch.no_grad()
    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Give p(y | x), shape (N, C), as at test time."""
        return softmax(self.logits(x))


class MultiHeadNet:
    """An ensemble whose members share their lower layers: one trunk, several heads.

    The trunk is a stack of linear layers with biases, ReLU behind each. Each head is one
    linear layer with a bias of its own, from the trunk's last units to the logits. All of them
    start at random (`he_init`, biases 0), so that the heads differ.

    Attributes: `trunk` and `biases`, a weight (units, inputs) and a bias (units,) for each
    layer of the trunk; `heads`, shape (M, C, units), and `head_biases`, shape (M, 1, C). The
    slide has the title "even faster ensembles" and a lost picture; this is the usual
    construction.

    >>> MultiHeadNet([4, 8], heads=3, classes=2).logits(torch.zeros(5, 4)).shape
    torch.Size([3, 5, 2])

    Source: lecture 7, even faster ensembles. L07.19.
    """

    def __init__(
        self, sizes: Sequence[int], heads: int, classes: int, generator: torch.Generator | None = None
    ) -> None:  ### GIVEN
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self) -> list[torch.Tensor]:  ### GIVEN
        """What is learned."""
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits of every head, shape (M, N, C), for inputs (N, D). The trunk is computed once."""
        for weight, bias in zip(self.trunk, self.biases, strict=True):
            x = torch.relu(x @ weight.T + bias)
        return x @ self.heads.mT + self.head_biases

    def loss(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Give the mean over the heads of their mean NLL, so that every head is trained for
        itself.

        (The NLL of the averaged probabilities would let one good head excuse the others.)
        Labels: int64, shape (N,).
        """
        logits = self.logits(x)
        return negative_log_likelihood(logits.flatten(0, 1), labels.repeat(len(logits)))


def hidden_layer(
    a: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    norm: Callable[[torch.Tensor], torch.Tensor],
    place: str,
) -> torch.Tensor:
    """Compute one hidden layer with ReLU, and with a normalization where `place` says.

    Where batch normalization belongs is not agreed upon. "before" is the classic place,
    between the linear layer and ReLU; the bias is then left out, for subtracting the mean
    would remove it, and beta does its work. "after" is behind ReLU.

    Args:
        a: activations of the layer before, shape (N, D).
        weight: shape (M, D), one row a unit.
        bias: shape (M,).
        norm: maps (N, M) to (N, M), for example batch normalization with its gamma and beta.
            It belongs to this layer alone and is called once, or not at all with "none": it
            may keep running statistics.
        place: "none", "before" or "after".

    Returns:
        Activations, shape (N, M).

    Raises:
        ValueError: there is no such place.

    >>> center = lambda z: z - z.mean(dim=0)
    >>> a, weight, bias = torch.tensor([[1.0], [3.0]]), torch.ones(1, 1), torch.tensor([-2.0])
    >>> [hidden_layer(a, weight, bias, center, place).flatten().tolist() for place in ("none", "before", "after")]
    [[0.0, 1.0], [0.0, 1.0], [-0.5, 0.5]]

    Source: lecture 7, where to put batch normalization. L07.06.
    """
    if place not in ("none", "before", "after"):
        raise ValueError(f"place is {place!r}, expected 'none', 'before' or 'after'")
    z = a @ weight.T
    if place == "before":
        return torch.relu(norm(z))
    a = torch.relu(z + bias)
    return norm(a) if place == "after" else a


def training_steps(
    net: Net,
    x: torch.Tensor,
    labels: torch.Tensor,
    learning_rate: float,
    epochs: int,
    batch_size: int = 20,
    momentum: float = 0.9,
    generator: torch.Generator | None = None,
    limit: float | None = None,
) -> Iterator[float]:
    """Train by minibatch descent with momentum, one update for each item that is asked of this
    iterator.

    Args:
        net: what is trained, in place.
        x: inputs, shape (N, D).
        labels: int64, shape (N,).
        learning_rate: step size.
        epochs: passes over the data.
        batch_size: samples in a batch; a last batch of a single sample is left out, for it has
            no batch statistics.
        momentum: of the optimizer.
        generator: source of the order of samples and of dropout masks, on the CPU; None means
            torch's global one.
        limit: largest norm of the gradient, see `clip_by_norm`; None does not clip.

    Returns:
        An iterator over the loss of each batch, before the update that it causes.

    >>> net = Net([2, 4, 2])
    >>> len(list(training_steps(net, torch.zeros(60, 2), torch.zeros(60).long(), 0.1, epochs=2)))
    6

    Source: lecture 7, training with the tricks of the lecture; clipping: when gradients
    explode. L07.07, L07.15.
    """
    parameters = net.parameters
    optimizer = Momentum(parameters, learning_rate, momentum)
    for _ in range(epochs):
        for batch in minibatches(len(x), batch_size, generator):
            if len(batch) == 1:
                continue
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = negative_log_likelihood(net.logits(x[batch], True, generator), labels[batch])
                loss.backward()
            if limit is not None:
                torch.nn.utils.clip_grad_norm_(parameters, limit)
            optimizer.step()
            yield loss.item()


def train_ensemble(
    members: int, make: Callable[[torch.Generator], Net], train: Callable[[Net, torch.Generator], object], seed: int = 0
) -> list[Net]:
    """Train several nets that differ in their first weights and in the order of the samples,
    on the SAME data.

    In practice that is enough variety; resampling, which takes a third of the samples away, is
    not needed.

    Args:
        members: M, how many nets.
        make: make(generator) builds a new, untrained net.
        train: train(net, generator) trains it in place; what it returns does not matter.
        seed: member j = 0, 1, ... gets a torch.Generator of its own with seed 1000 * seed + j,
            first for `make` and then, as it is by then, for `train`.

    Returns:
        M nets, in the order of j. Each is built and trained by itself; none continues another.

    >>> nets = train_ensemble(2, lambda generator: Net([2, 3, 2], generator=generator), lambda net, generator: None)
    >>> torch.equal(nets[0].weights[0], nets[1].weights[0])
    False

    Source: lecture 7, ensembles in practice. L07.18.
    """
    nets = []
    for member in range(members):
        generator = torch.Generator().manual_seed(1000 * seed + member)
        net = make(generator)
        train(net, generator)
        nets.append(net)
    return nets


def classifier_runs(
    data: Dataset, hidden: Sequence[int] = (50, 50, 50, 50), epochs: int = 1
) -> Callable[[str, float, torch.Generator], Iterator[float]]:
    """Give what `compare_rates` compares: training runs of a deep classifier by plain descent,
    batches of 20.

    Args:
        data: what is learned.
        hidden: units of the hidden layers.
        epochs: passes over the training data.

    Returns:
        run(norm, rate, generator): begins with a new `Net`, first weights and order of samples
        from the generator, and gives an iterator over the loss of each batch, one update an
        item.

    >>> from course_lib.kit.data import digits
    >>> run = classifier_runs(digits(test_size=1700), hidden=(8,))
    >>> len(list(run("before", 0.1, torch.Generator().manual_seed(0))))
    5

    Source: lecture 7, what batch normalization is good for. L07.07.
    """
    sizes = [data.x_train.shape[1], *hidden, len(data.class_names)]

    def run(norm: str, rate: float, generator: torch.Generator) -> Iterator[float]:
        net = Net(sizes, norm, generator=generator).to(data.x_train.device)
        return training_steps(net, data.x_train, data.y_train, rate, epochs, 20, 0.0, generator)

    return run


def compare_rates(
    run: Callable[[str, float, torch.Generator], Iterable[float]],
    rates: Sequence[float],
    norms: Sequence[str] = ("none", "before", "after"),
    seed: int = 0,
) -> dict[str, list[float]]:
    """Train nets with and without batch normalization at several learning rates, all from the
    same start.

    Args:
        run: run(norm, rate, generator) begins a training run and gives an iterator over its
            losses: one update for each that is asked for.
        rates: learning rates.
        norms: places of batch normalization.
        seed: every run gets a NEW torch.Generator with this seed, hence the same first weights
            and order of samples: what differs is what is compared.

    Returns:
        For each norm a list with one number a rate: the mean loss over the last fifth of the
        run (of n losses the last n // 5, at least one). A run that `is_hopeless` after some
        update is ended there, no further loss is asked of it, and its number is infinity.

    >>> compare_rates(lambda norm, rate, generator: iter([2.0, rate]), [0.5, 100.0], ["none"])
    {'none': [0.5, inf]}

    Source: lecture 7, what batch normalization is good for. L07.07.
    """
    finals: dict[str, list[float]] = {norm: [] for norm in norms}
    for norm in norms:
        for rate in rates:
            losses: list[float] = []
            for loss in run(norm, rate, torch.Generator().manual_seed(seed)):
                losses.append(loss)
                if is_hopeless(losses):
                    losses = [math.inf]
                    break
            last = losses[-max(1, len(losses) // 5) :]
            finals[norm].append(sum(last) / len(last))
    return finals


@dataclass(frozen=True)
class TableSettings:
    """All sizes of the lecture's ensemble table, on our data."""

    hidden: int = 50
    epochs: int = 10
    members: int = 10
    snapshots: int = 25
    learning_rate: float = 0.05
    batch_size: int = 20

    def fast(self) -> TableSettings:
        """Small enough for a test."""
        return replace(self, epochs=2, members=3, snapshots=5)


# What the slide reports, on another data set. Lecture 7, L07.22.
SLIDE_TABLE = {
    "one net": 0.837,
    "ensemble, average": 0.855,
    "ensemble, vote": 0.851,
    "snapshots, average": 0.865,
    "snapshots, vote": 0.861,
    "snapshots, mean parameters": 0.864,
}


class TableRuns(NamedTuple):
    """What `ensemble_table` trains, before anything is averaged.

    Attributes:
        net: the net of the first row, after its last update.
        states: its snapshots.
        members: the nets of the ensemble.
        patient: one net trained for as many updates as the whole ensemble.
    """

    net: Net
    states: list[list[torch.Tensor]]
    members: list[Net]
    patient: Net


def table_runs(
    data: Dataset,
    seed: int = 0,
    settings: TableSettings | None = None,
    snapshots: Callable[..., list[list[torch.Tensor]]] = snapshots,
    train_ensemble: Callable[..., list[Net]] = train_ensemble,
) -> TableRuns:
    """Train all the nets of the lecture's table.

    Args:
        data: training and test data; only the training data are used.
        seed: of the first weights and of the order of samples.
        settings: sizes; None means `TableSettings()`.
        snapshots: what takes the snapshots; the notebook hands over its own.
        train_ensemble: what trains the members; the notebook hands over its own.

    Returns:
        The trained nets and the snapshots.

    >>> from course_lib.kit.data import digits
    >>> len(table_runs(digits(test_size=1700), settings=TableSettings().fast()).members)
    3

    Source: lecture 7, comparison of ensembles. L07.22.
    """
    size = settings or TableSettings()
    sizes = [data.x_train.shape[1], size.hidden, len(data.class_names)]

    def make(generator: torch.Generator) -> Net:
        return Net(sizes, generator=generator).to(data.x_train.device)

    def steps(net: Net, generator: torch.Generator, epochs: int) -> Iterator[float]:
        rate, batch = size.learning_rate, size.batch_size
        return training_steps(net, data.x_train, data.y_train, rate, epochs, batch, generator=generator)

    def train(member: Net, generator: torch.Generator) -> None:
        list(steps(member, generator, size.epochs))

    draw = torch.Generator().manual_seed(1000 * seed + 999)
    net = make(draw)
    updates = size.epochs * -(-len(data.x_train) // size.batch_size)
    states = snapshots(steps(net, draw, size.epochs), net.state, max(1, updates // size.snapshots))
    draw = torch.Generator().manual_seed(1000 * seed + 999)
    patient = make(draw)
    list(steps(patient, draw, size.epochs * size.members))
    return TableRuns(net, states, train_ensemble(size.members, make, train, seed), patient)


def ensemble_table(data: Dataset, seed: int = 0, settings: TableSettings | None = None) -> dict[str, float]:
    """Measure the lecture's table: one net, an ensemble, and the snapshots of one net, by test
    accuracy.

    Every net has one hidden layer and the same number of epochs. The ensemble costs `members`
    times as much, so one net trained for as long stands beside it. The snapshots are those of
    the net of the first row: the two rows differ only in what is done with one training run.
    Nothing is chosen with the test set.

    Args:
        data: training and test data.
        seed: of the first weights and of the order of samples.
        settings: sizes; None means `TableSettings()`.

    Returns:
        Test accuracy for the rows of `SLIDE_TABLE`, and for "one net, as many updates".

    >>> from course_lib.kit.data import digits
    >>> table = ensemble_table(digits(test_size=1700), settings=TableSettings().fast())
    >>> set(SLIDE_TABLE) < set(table)
    True

    Source: lecture 7, comparison of ensembles. L07.22.
    """
    runs = table_runs(data, seed, settings)

    def accuracy(choices: torch.Tensor) -> float:
        return (choices == data.y_test).double().mean().item()

    baseline, patient = runs.net.probabilities(data.x_test), runs.patient.probabilities(data.x_test)
    of_snapshots = torch.stack([runs.net.load(state).probabilities(data.x_test) for state in runs.states])
    mean_net = runs.net.load(average_parameters(runs.states)).probabilities(data.x_test)
    of_nets = torch.stack([member.probabilities(data.x_test) for member in runs.members])
    return {
        "one net": accuracy(baseline.argmax(dim=1)),
        "one net, as many updates": accuracy(patient.argmax(dim=1)),
        "ensemble, average": accuracy(ensemble_probabilities(of_nets).argmax(dim=1)),
        "ensemble, vote": accuracy(ensemble_vote(of_nets)),
        "snapshots, average": accuracy(ensemble_probabilities(of_snapshots).argmax(dim=1)),
        "snapshots, vote": accuracy(ensemble_vote(of_snapshots)),
        "snapshots, mean parameters": accuracy(mean_net.argmax(dim=1)),
    }
