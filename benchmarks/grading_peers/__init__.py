"""The same assignment for stock nbgrader and for otter-grader, to be measured beside this course's grader."""
