"""Development: fitness of examples, training, tuning, evaluation, explanation, comparison, gate."""
