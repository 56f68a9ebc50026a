"""The claim of seats as a function of the database (docs/decisions/0008)."""

from __future__ import annotations

from django.db import migrations

CLAIM = """
CREATE OR REPLACE FUNCTION claim_seats(
    told_state text, told_threshold integer, told_decides_at timestamptz, told_departs_at timestamptz,
    told_grace_ends_at timestamptz, told_locked_percent integer, list_was_looked_at boolean,
    new_pledge jsonb, new_seats jsonb, new_answers jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    pledge trips_pledge := jsonb_populate_record(NULL::trips_pledge, new_pledge);
    free integer;
BEGIN
    -- Waits for whoever claims at the same moment, then looks at what that left.
    SELECT trip.capacity - trip.seats_taken INTO free FROM trips_trip trip
    WHERE trip.id = pledge.trip_id AND trip.seats_taken + pledge.seats <= trip.capacity
        AND trip.state = told_state AND trip.threshold = told_threshold
        AND trip.decides_at = told_decides_at AND trip.departs_at = told_departs_at
        AND trip.grace_ends_at IS NOT DISTINCT FROM told_grace_ends_at
        AND trip.locked_percent IS NOT DISTINCT FROM told_locked_percent
        AND (trip.state <> 'confirmed' OR trip.seats_supplied > 0)
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;

    -- Nobody joins a waiting list but behind this lock, so what is read now is all of it (index pledge_waiting).
    IF NOT list_was_looked_at THEN
        PERFORM FROM trips_pledge waits
        WHERE waits.trip_id = pledge.trip_id AND waits.state = 'waiting' AND waits.seats <= free LIMIT 1;
        IF FOUND THEN RETURN false; END IF;
    END IF;

    -- The fare of the stop; of a trip whose price has fallen, at most that price: the rider's own seats may lower it.
    PERFORM FROM trips_stop stop
    WHERE stop.id = pledge.stop_id AND CASE
        WHEN told_locked_percent IS NULL THEN stop.fare_minor = pledge.fare_minor
        ELSE pledge.fare_minor <= (stop.fare_minor::bigint * told_locked_percent + 99) / 100
    END;
    IF NOT FOUND THEN RETURN false; END IF;

    -- The rider is in already; or, once in 10^14, the code was drawn before and is drawn again.
    INSERT INTO trips_pledge SELECT pledge.* ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;

    INSERT INTO trips_seat SELECT * FROM jsonb_populate_recordset(NULL::trips_seat, new_seats);
    INSERT INTO rally_givenanswer SELECT * FROM jsonb_populate_recordset(NULL::rally_givenanswer, new_answers);
    RETURN true;
END;
$$
"""


class Migration(migrations.Migration):
    """Its parts are planned once for each connection instead of once for each rider."""

    dependencies = [
        ("rally", "0001_initial"),
        ("trips", "0001_initial"),
    ]

    operations = [migrations.RunSQL(CLAIM, "DROP FUNCTION claim_seats")]
