"""What callers send and get, one module per resource. Unknown fields are refused everywhere."""
