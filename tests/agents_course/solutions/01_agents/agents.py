# %% [markdown]
# # Agents

# %% setup="imports"
import gymnasium
import numpy as np
import torch

# %% exercise="collect" points=2 minutes=5 difficulty=1 lecture="L15.01"
from course_lib.agents import collect

# %% check="collect"
assert callable(collect)

# %% exercise="policy_gradient" points=3 minutes=5 difficulty=1 lecture="L15.01"
from course_lib.agents import policy_gradient

# %% check="policy_gradient"
assert callable(policy_gradient)

# %% exercise="train" points=4 minutes=5 difficulty=1 lecture="L15.01" seconds=30
from course_lib.agents import train

# %% check="train"
assert callable(train)
