"""The operator's command line: a module for each command."""
