"""Assets, fingerprints, plan: knows what reads what and what must be rebuilt, and no word of machine learning."""
