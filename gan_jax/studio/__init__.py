"""The web interface: runs launched, watched, steered and tried in a browser. All state is in the run folders."""
