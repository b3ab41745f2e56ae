"""Networks: one file per family, and what the families share in `family`, `layers`, `outputs`."""
