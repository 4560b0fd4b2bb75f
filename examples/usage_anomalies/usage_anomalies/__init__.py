"""Usage of a warehouse in currency: which days are unusual, what drove them, and which detector is to say so."""
