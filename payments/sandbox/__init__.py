"""A stand-in for Stripe: test payments without a key, a network or any money.

The official SDK talks to it unchanged. It keeps its own SQLite file, so that a rollback of ours never erases its memory.
"""
