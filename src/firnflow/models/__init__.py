"""What a model needs after training: evaluation, gates, registry, tracking, prediction."""
