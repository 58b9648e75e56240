"""Hostile and unlucky submissions as data; `tests/test_threats.py` grades them."""
