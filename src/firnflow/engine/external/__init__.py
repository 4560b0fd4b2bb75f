"""The door for schedulers other than Firnflow's own: one task of a run in one process, which is `firnflow exec`.

`task.execute_task` is the way in, `run` says who holds such a run, `graph` checks the graph that the call brings.
"""
