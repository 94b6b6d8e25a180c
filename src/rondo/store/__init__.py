"""Where state lives: ledger, lake, artifacts, online values, prediction log."""
