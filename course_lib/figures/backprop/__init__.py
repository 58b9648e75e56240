"""The figures of the notebook on backpropagation (lecture 5), in the order of the lecture."""

from course_lib.figures.backprop.graphs import draw_graph, graph_walk
from course_lib.figures.backprop.networks import hidden_unit_maps, neuron_plane, playground
from course_lib.figures.backprop.recipes import (
    activation_slopes,
    cross_entropy_delta,
    finite_difference_error,
    gradient_errors,
    order_of_products,
    outer_product,
)

__all__ = [
    "activation_slopes",
    "cross_entropy_delta",
    "draw_graph",
    "finite_difference_error",
    "gradient_errors",
    "graph_walk",
    "hidden_unit_maps",
    "neuron_plane",
    "order_of_products",
    "outer_product",
    "playground",
]
