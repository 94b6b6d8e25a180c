"""Answers composed across stages from records."""
