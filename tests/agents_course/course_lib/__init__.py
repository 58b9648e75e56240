"""The library of the course of agents."""
