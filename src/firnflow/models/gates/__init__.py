"""Gates: what a model must show before it is promoted, and the verdict."""
