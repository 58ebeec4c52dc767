"""Protocol cores that several kinds share; the only thing a kind may import beside contract and model."""
