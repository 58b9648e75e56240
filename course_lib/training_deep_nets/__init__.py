"""Training deep nets: scales, normalization, first weights, clipping, ensembles, dropout, and the search for settings.

Lecture 7 in reading order: `scaling` (inputs), `normalization` (activations, with a backward pass; `fused` is the same
in less time), `initialization` (weights), `clipping` (gradients), `ensembles` and `random_masks` (many nets instead of
one; the masks are those of dropout), `hyperparameters` (how to search for them). `networks` has a small classifier that
uses all of it, and the experiments.

Conventions of this package
    * Rows are samples `(N, D)`; weights have one row a unit, `(units, inputs)`, as in `course_lib.backprop`.
    * N(0, s) is easily misread: arguments named `std` are standard deviations, `variance` are variances.
    * `keep` is the probability of KEEPING an activation, as in the lecture (torch.nn.Dropout: of dropping).
    * Standard deviations of data are divided by N.

Sources: lecture 7 (getting neural nets to train), L07.01-L07.27; S. Ioffe, C. Szegedy, Batch normalization (2015); J.
Ba, J. Kiros, G. Hinton, Layer normalization (2016); X. Glorot, Y. Bengio (2010) and K. He et al. (2015) on
initialisation; N. Srivastava et al., Dropout (2014); G. Huang et al., Snapshot ensembles (2017); J. Bergstra, Y.
Bengio, Random search for hyper-parameter optimization (2012).
"""

from course_lib.training_deep_nets.clipping import (
    clip_by_norm,
    clip_by_value,
)
from course_lib.training_deep_nets.ensembles import (
    average_parameters,
    bootstrap,
    disagreement,
    ensemble_probabilities,
    ensemble_vote,
    snapshots,
)
from course_lib.training_deep_nets.fused import (
    fused_batch_norm,
    fused_batch_norm_backward,
    fused_layer_norm,
    fused_layer_norm_backward,
)
from course_lib.training_deep_nets.hyperparameters import (
    grid_settings,
    is_hopeless,
    log_uniform,
    random_settings,
    search,
)
from course_lib.training_deep_nets.initialization import (
    activation_statistics,
    active_fraction,
    gradient_statistics,
    he_init,
    normal_layers,
    orthogonal,
    predicted_second_moment,
    xavier_init,
)
from course_lib.training_deep_nets.networks import (
    SLIDE_TABLE,
    MultiHeadNet,
    Net,
    NormParameters,
    TableRuns,
    TableSettings,
    classifier_runs,
    compare_rates,
    ensemble_table,
    hidden_layer,
    table_runs,
    train_ensemble,
    training_steps,
)
from course_lib.training_deep_nets.normalization import (
    BatchNorm,
    Normalized,
    batch_norm,
    batch_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from course_lib.training_deep_nets.random_masks import (
    dropout,
    mc_dropout,
    scale_for_test,
)
from course_lib.training_deep_nets.scaling import (
    Standardizer,
    condition_number,
    standardize_activations,
    steps_to_tolerance,
)

__all__ = [
    "SLIDE_TABLE",
    "BatchNorm",
    "MultiHeadNet",
    "Net",
    "NormParameters",
    "Normalized",
    "Standardizer",
    "TableRuns",
    "TableSettings",
    "activation_statistics",
    "active_fraction",
    "average_parameters",
    "batch_norm",
    "batch_norm_backward",
    "bootstrap",
    "classifier_runs",
    "clip_by_norm",
    "clip_by_value",
    "compare_rates",
    "condition_number",
    "disagreement",
    "dropout",
    "ensemble_probabilities",
    "ensemble_table",
    "ensemble_vote",
    "fused_batch_norm",
    "fused_batch_norm_backward",
    "fused_layer_norm",
    "fused_layer_norm_backward",
    "gradient_statistics",
    "grid_settings",
    "he_init",
    "hidden_layer",
    "is_hopeless",
    "layer_norm",
    "layer_norm_backward",
    "log_uniform",
    "mc_dropout",
    "normal_layers",
    "orthogonal",
    "predicted_second_moment",
    "random_settings",
    "scale_for_test",
    "search",
    "snapshots",
    "standardize_activations",
    "steps_to_tolerance",
    "table_runs",
    "train_ensemble",
    "training_steps",
    "xavier_init",
]
