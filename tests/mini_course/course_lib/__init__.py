"""The library of the mini course."""
