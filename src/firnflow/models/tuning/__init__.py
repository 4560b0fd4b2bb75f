"""The search for good settings, by Optuna: typed spaces, proposals that depend on finished trials only, pruning."""
