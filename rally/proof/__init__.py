"""The proof: stories of riders, operators and staff under every trouble we know of, each told from a seed and judged."""
