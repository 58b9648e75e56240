"""From notebook sources and the library to what students get and what the grader needs.

`source` reads a notebook's py:percent text, `holes` cuts exercises out of the library, `notebooks` and `manifest` put
both together, `leaks` searches what is about to be released, `release` makes the student edition and the zip,
`coverage` counts which rows of the syllabus are taught. Nothing in here imports the course's library: it is text.
"""
