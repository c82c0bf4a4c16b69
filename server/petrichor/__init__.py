"""Petrichor: a live server for neural birds and rain, played over OSC from Pure Data and SuperCollider.

This package never imports TensorFlow or the training package: it must install in seconds and start at once.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("petrichor")
except PackageNotFoundError:  # the folder is on the path, but nothing was installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
