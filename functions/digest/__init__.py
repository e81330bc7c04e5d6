"""The function that signs what arrived, and the format of its digests, which ``ops integrity`` verifies."""
