"""The one assembler: a declaration becomes as-of SQL, a look-up plan, a request function and a signature."""
