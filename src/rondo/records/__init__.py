"""What the ledger remembers: frozen records, one kind each, and the documents made of one record."""
