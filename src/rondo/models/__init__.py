"""The packed model: the one format that development writes and deployment reads."""
