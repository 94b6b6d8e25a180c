"""What each role owes the loop: a named test a deliverable, over records and files, never a claim."""
