"""The score: one file a verb. It carries out plans and decisions that the stages leave as records."""
