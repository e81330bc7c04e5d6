"""What an operator runs outside ``pulumi up``: ``python -m ops --help``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Folder of the project."""
