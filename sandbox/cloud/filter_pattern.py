"""CloudWatch Logs filter patterns: terms and JSON selectors (CloudWatch Logs User Guide, "Filter pattern syntax").

Space-delimited patterns (``[ip, user, …]``) and regular expressions (``%…%``) are not supported. They are rejected, so
that a rehearsal never passes for the wrong reason.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

Matcher = Callable[[str], bool]
_Test = Callable[[Any], bool]

_TERM = re.compile(r'\s*([-?]?)("(?:[^"\\]|\\.)*"|[\w.:/$@-]+)')
_TOKEN = re.compile(
    r"""\s*(?:(?P<path>\$(?:\.[\w-]+|\[\d+\])+)|(?P<sign>&&|\|\||!=|<=|>=|=|<|>|\(|\))"""
    r"""|(?P<word>"(?:[^"\\]|\\.)*"|[\w.*:/@+-]+))"""
)
_NUMERIC = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MISSING = object()


class PatternError(ValueError):
    """The pattern is invalid, or the sandbox does not support it."""


def matcher(pattern: str) -> Matcher:
    """Return a function that returns whether a message matches a pattern.

    Raises:
        PatternError: the pattern cannot be used.
    """
    text = pattern.strip()
    if text.startswith("{"):
        if not text.endswith("}"):
            raise PatternError("a JSON pattern has to end with }")
        return _json_matcher(_Parser(text[1:-1]).whole())
    if text.startswith("[") or "%" in text:
        raise PatternError("the sandbox does not support space-delimited patterns and regular expressions")
    return _term_matcher(text)


def _term_matcher(text: str) -> Matcher:
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise PatternError(f"cannot parse {text[position:]!r}; quote terms with special characters")
        sign, term = match.groups()
        terms[sign].append(_unquoted(term))
        position = match.end()

    def matches(message: str) -> bool:
        return (
            all(term in message for term in terms[""])
            and not any(term in message for term in terms["-"])
            and (not terms["?"] or any(term in message for term in terms["?"]))
        )

    return matches


def _json_matcher(test: _Test) -> Matcher:
    def matches(message: str) -> bool:
        try:
            return test(json.loads(message))
        except ValueError:
            return False

    return matches


class _Parser:
    """A recursive descent parser: ``||`` binds less than ``&&``, which binds less than comparisons."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise PatternError(f"cannot parse {text[position:].strip()!r}")
            self._tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self._next = 0

    def whole(self) -> _Test:
        test = self._either()
        if self._next < len(self._tokens):
            raise PatternError(f"unexpected {self._tokens[self._next][1]!r}")
        return test

    def _take(self, *kinds: str) -> str:
        if self._next == len(self._tokens) or self._tokens[self._next][0] not in kinds:
            raise PatternError(f"expected a {' or '.join(kinds)}")
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _accept(self, text: str) -> bool:
        found = self._next < len(self._tokens) and self._tokens[self._next] == ("sign", text)
        self._next += found
        return found

    def _either(self) -> _Test:
        tests = [self._both()]
        while self._accept("||"):
            tests.append(self._both())
        return lambda document: any(test(document) for test in tests)

    def _both(self) -> _Test:
        tests = [self._one()]
        while self._accept("&&"):
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> _Test:
        if self._accept("("):
            test = self._either()
            if not self._accept(")"):
                raise PatternError("a parenthesis is not closed; add )")
            return test
        path = re.findall(r"\.([\w-]+)|\[(\d+)\]", self._take("path"))
        check = self._check()
        return lambda document: check(_value(document, path))

    def _check(self) -> _Test:
        sign = self._take("sign", "word")
        match sign.upper():
            case "IS":
                wanted = {"TRUE": True, "FALSE": False, "NULL": None}.get(word := self._take("word").upper(), _MISSING)
                if wanted is _MISSING:
                    raise PatternError(f"IS is followed by {word}; allowed: TRUE, FALSE, NULL")
                return lambda value: value is wanted
            case "NOT":
                if self._take("word").upper() != "EXISTS":
                    raise PatternError("NOT has to be followed by EXISTS")
                return lambda value: value is _MISSING
            case "=" | "!=":
                equal = _equals(self._take("word"))
                return equal if sign == "=" else lambda value: value is not _MISSING and not equal(value)
            case "<" | "<=" | ">" | ">=":
                compare, limit = _NUMERIC[sign], _number(self._take("word"))
                if limit is None:
                    raise PatternError(f"{sign} has to be followed by a number")
                return lambda value: (
                    isinstance(value, int | float) and not isinstance(value, bool) and compare(value, limit)
                )
        raise PatternError(f"unexpected {sign!r}")


def _equals(word: str) -> _Test:
    """Return a test for equality with a number, or with a string in which ``*`` stands for any characters."""
    number = None if word.startswith('"') else _number(word)
    if number is not None:
        return lambda value: not isinstance(value, bool) and value == number
    glob = _unquoted(word).replace("[", "[[]").replace("?", "[?]")
    return lambda value: isinstance(value, str) and fnmatchcase(value, glob)


def _value(document: Any, path: list[tuple[str, str]]) -> Any:  # noqa: ANN401 - a JSON value of any kind
    for key, index in path:
        if key and isinstance(document, dict) and key in document:
            document = document[key]
        elif index and isinstance(document, list) and int(index) < len(document):
            document = document[int(index)]
        else:
            return _MISSING
    return document


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word
