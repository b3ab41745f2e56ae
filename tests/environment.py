"""The environment of commands that tests start."""

import os


def of_commands():
    """Of this process, but for one device: commands are compiled as users run them."""
    flags = os.environ["XLA_FLAGS"].replace("--xla_force_host_platform_device_count=4", "")
    return {**os.environ, "XLA_FLAGS": flags.strip()}
