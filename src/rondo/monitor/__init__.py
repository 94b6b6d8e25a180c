"""Windows of live traffic measured: it writes measurements and calls neither data nor development."""
