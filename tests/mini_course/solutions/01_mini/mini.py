# %% [markdown]
# # Mini

# %% setup="imports"
import torch

# %% exercise="softmax" points=4 minutes=5 difficulty=1 lecture="L02.06" forbids="torch.softmax torch.nn.functional.softmax torch.Tensor.softmax"
from course_lib.mini import softmax

# %% check="softmax"
assert softmax(torch.zeros(1, 2)).shape == (1, 2)

# %% exercise="entropy" points=2 minutes=5 difficulty=1 lecture="L02.04"
from course_lib.mini import entropy

# %% check="entropy"
assert entropy(torch.zeros(1, 2)).shape == (1,)

# %% exercise="Counter" points=2 minutes=5 difficulty=1 lecture="L02.04"
from course_lib.mini import Counter

# %% check="Counter"
assert Counter(1).add(2) == 3

# %% exercise="descend" points=2 minutes=5 difficulty=1 lecture="L02.12"
from course_lib.mini import descend

# %% check="descend"
assert descend(lambda x: x, torch.ones(1), 1).shape == (1,)

# %% quiz="fact" points=1 lecture="L02.01"
# How many days has a week?
fact = 7

# %% [markdown] answer="why" points=3 lecture="L02.06"
# Why does softmax subtract the maximum?
# ---
# Exponentials of large numbers overflow.

# %% [markdown] scheme="why"
# Three points for overflow.
