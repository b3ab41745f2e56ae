"""Networks. Each file is one family; every layer goes through `conv` and `layers`."""
