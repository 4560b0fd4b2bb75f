"""What runs each kind of statement: one module a topic, each of which registers what it knows."""
