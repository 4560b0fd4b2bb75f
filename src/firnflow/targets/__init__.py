"""Where pipelines run for good: what a target deploys, what of it is there, and how the one becomes the other.

A target compiles the project's graphs to `Resource`s and reads what is deployed; `diff` makes both into a `Plan`, which
is data. `explain` and `apply` are the two that walk a plan. Targets know nothing of one another: `choose` finds them.
"""
