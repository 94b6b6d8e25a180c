"""Deployment: versions at work. Release, roll out and back, serve, answer in batches, keep what was answered."""
