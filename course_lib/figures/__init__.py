"""Plain functions that return the figures of a lecture: one module or package a notebook.

A notebook puts sliders before their arguments with `course_lib.kit.widgets.explore`; tests and web pages call them
directly. They use PyTorch's own functions, never what an exercise asks for, so that a figure works before its exercise
is solved.
"""
