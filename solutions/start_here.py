# %% [markdown]
# # Start here
#
# This page shows where you are. Run the cell below (click into it, then Shift+Enter) whenever you come back.

# %%
from course_lib.kit.checks import show_progress

show_progress()

# %% [markdown]
# A line of the table stands for one exercise. Click the triangle to see them all, and the title to open the notebook.
# What you see here is kept in one small file beside each notebook, `.course_progress.json`. It never leaves your machine;
# delete it to begin again.
#
# ## How a notebook works
#
# 1. Read from the top and run each cell with **Shift+Enter**. A cell uses what the cells above it defined, so keep the
#    order; after a break, *Run > Run All Above Selected Cell* brings you back to where you were.
# 2. Where a question says *predict*, write down a guess before you open the answer. A guess that turns out wrong
#    teaches more than none.
# 3. In an exercise, the docstring says what the function takes and gives back, with shapes. Replace the line
#    `raise NotImplementedError` by your code and run the cell.
# 4. Run the check below it. It prints `passed`, or tells you what is not right yet and names the usual mistake. Checks
#    cost nothing; run them as often as you like.
# 5. Stuck? Open the hints one at a time: an idea first, then a formula, then the shapes.
#
# The checks are examples. The tests that give the points ask the same of your code with other numbers and at the edges
# that the docstring names, so a function that does what its docstring says gets full points.
#
# ## Is everything in place?

# %%
import platform

import torch

from course_lib.kit.devices import best_device

print(f"Python {platform.python_version()}, torch {torch.__version__}, computing on: {best_device()}")

# %% [markdown]
# If this cell prints one line, you are ready. Every exercise runs on a plain CPU; a GPU shortens the longer experiments.
#
# ## Handing in
#
# Before you hand in, choose *Kernel > Restart Kernel and Run All Cells*: what works only because of a cell that you have
# since deleted shows now and not when it is graded. Then save, and hand in the `.ipynb` file under its own name. An
# exercise that you have not finished costs its own points and nothing else, so hand in what you have.
