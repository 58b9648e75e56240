"""Makes the hidden suites ordinary pytest: ``pytest autograder/hidden_tests/01_… --submission NOTEBOOK.ipynb``."""

import pytest

from autograder import pytest_plugin

# Student cells for `course validate`, not modules: collecting doctests would import, and so run, wrong solutions.
collect_ignore_glob = ["*/misconceptions_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    pytest_plugin.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    judge = pytest_plugin.make_plugin()
    config.pluginmanager.register(judge, "course-judge")
