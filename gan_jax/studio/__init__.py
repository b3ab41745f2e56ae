"""The web interface: launches, shows, stops and samples runs; all state is in their folders."""
