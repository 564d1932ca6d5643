"""Live TV for Plex as code. This file holds the version alone, so that `ptctl --version` loads nothing."""

__all__ = ["__version__"]

__version__ = "0.1.0"
