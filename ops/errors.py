"""The error of every command."""

from __future__ import annotations

from typing import Literal


class OperatorError(Exception):
    """A command cannot go on. The message says why, and how to fix it.

    Attributes:
        status: exit status of the command: 1 if the answer is no, 2 if it could not be found out.
    """

    def __init__(self, headline: str, *details: str, status: Literal[1, 2] = 2) -> None:
        super().__init__("\n  ".join([headline, *details]))
        self.status = status
