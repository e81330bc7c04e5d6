"""End-to-end tests on real accounts, which variables name (``make test-aws``). On the sandbox, the same code runs."""
