"""The autograder: a compiler of notebooks, a sandbox for student code, a judge, and what becomes of its verdicts.

The layers, and which may import which, are described in docs/architecture.md.
"""
