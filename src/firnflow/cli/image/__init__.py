"""`firnflow image`: the image that the tasks of an environment run in. One file a verb."""

from __future__ import annotations

VERBS = ("build", "push")

HELP = """Make the image that an environment's tasks run in, and bring it to the account.

It has Python and what the project needs, but neither the project's code nor Firnflow: those go to the stage with each
`firnflow apply`, so that an image is made anew only where the requirements change.
"""
