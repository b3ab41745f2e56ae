"""Trained nets and update steps as ONNX graphs, for browsers and other runtimes (extra: export)."""
