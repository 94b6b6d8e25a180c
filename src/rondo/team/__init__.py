"""People, roles, approvals: knows only the ids of things."""
