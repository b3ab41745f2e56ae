"""Generative adversarial networks in JAX: small, fast, and exactly re-runnable."""
