"""The thirty-six questions that a team must be able to answer, answered for the project at hand."""
