"""What people read, in English and Korean: words by catalogue, numbers and moments as they are written."""
