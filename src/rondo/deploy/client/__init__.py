"""What a written client package is made of: its connection as it stands, the rest as templates."""
