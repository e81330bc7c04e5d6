"""The dashboard in a browser of this machine, for who has no console."""
