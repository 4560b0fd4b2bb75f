"""Tasks that do next to nothing: what is measured is everything else."""
