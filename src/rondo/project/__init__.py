"""What a user declares, and the reading of a project folder into it. Frozen, comparable, light."""
