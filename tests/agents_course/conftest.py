"""The hidden suite in here is run by the grader, not by the tests of this repository."""

collect_ignore_glob = ["*"]
