"""News of supply, sent after commit."""

from django.dispatch import Signal

run_completed = Signal()  #: run_id: everybody is back
