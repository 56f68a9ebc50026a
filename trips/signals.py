"""News of demand, sent after commit. Receivers must be safe to repeat."""

from django.dispatch import Signal

trip_confirmed = Signal()  #: trip_id
trip_lapsed = Signal()  #: trip_id: lapsed or cancelled; runs are free again
trip_changed = Signal()  #: trip_id: seats or state changed
