"""How good a model is: metrics with intervals, curves, segments, fairness. Arrays in, numbers out."""
