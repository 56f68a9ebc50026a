from datetime import timedelta
from pathlib import Path
from django.core.mail import EmailMessage
from rally import clock, outbox
from rally.models import Notice, User
from tests.browser.conftest import DESK, PHONE
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES
from tests.factories.people import person
from tests.factories.trips import proposed, stop
from trips import tasks
from trips.actions import pledges, settlement, trips
from trips.models import Pledge, Trip, Event
from trips.states import VehicleClass

OUT = Path("/tmp/eshots"); OUT.mkdir(exist_ok=True)

def test_walk(site, browser):
    now = clock.now()
    wrongs = []
    def page(size, dark=False, user=None):
        c = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
        p = c.new_page()
        p.on("console", lambda m: wrongs.append(f"{p.url}: {m.text}") if m.type in ("error","warning") else None)
        p.on("pageerror", lambda e: wrongs.append(f"{p.url}: {e}"))
        if user:
            p.goto(site + "/accounts/login/")
            p.fill("[name=login]", user); p.fill("[name=password]", "ride-together")
            p.click("form[action*=login] button[type=submit], main form button >> nth=0"); p.wait_for_load_state()
        return p
    def shoot(name, path, user=None, full=True):
        for size, tag in ((PHONE, "390"), (DESK, "1440")):
            for dark in (False, True):
                p = page(size, dark, user)
                p.goto(site + path); p.wait_for_load_state("networkidle") if "t/" not in path and "/p/" not in path else p.wait_for_timeout(300)
                w = p.evaluate("document.documentElement.scrollWidth")
                if w > size["width"]: wrongs.append(f"{name} {tag} too wide {w}")
                p.screenshot(path=str(OUT / f"{name}-{tag}-{'dark' if dark else 'light'}.png"), full_page=full)
                p.context.close()
    captain = person("cleo")
    trip = proposed(captain=captain, stops=[stop("Milwaukee Intermodal Station"), stop("West Bend Park & Ride", (43.4253, -88.1834), "Paradise Drive")], now=clock.now())
    ana = person("ana")
    for n in range(5):
        make.backed(trip, seats=3, now=now, stop=1 + n % 2)
    mine = make.backed(trip, ana, seats=2, now=clock.now())
    shoot("trip-gathering", trip.get_absolute_url())
    shoot("trip-mine", trip.get_absolute_url(), "ana@test.example")
    shoot("pledge-form", f"/t/{trip.code}/pledge/")
    # a new rider through the browser
    p = page(DESK)
    p.goto(site + trip.get_absolute_url())
    watcher = page(DESK); watcher.goto(site + trip.get_absolute_url()); watcher.wait_for_timeout(800)
    p.click("text=Take a seat")
    p.check("#id_stop_2"); p.wait_for_timeout(500)
    print("SUM", p.inner_text("#order .panel .spread"))
    p.fill("#id_p0-name", "Bo Rider"); p.click("text=Add a passenger"); p.wait_for_load_state()
    p.fill("#id_p1-name", "שרה כהן"); p.fill("#id_email", "bo@new.example"); p.fill("#id_rider", "Bo Rider")
    p.screenshot(path=str(OUT/"form-filled.png"), full_page=True)
    p.click("button.btn-block"); p.wait_for_load_state()
    p.screenshot(path=str(OUT/"form-error.png"), full_page=True)
    p.check("#id_consent"); p.click("button.btn-block"); p.wait_for_load_state()
    print("CHECKOUT", p.url)
    p.screenshot(path=str(OUT/"checkout.png"), full_page=True)
    p.fill("[name=number]", "4242424242424242"); p.fill("[name=expiry]", "12/35"); p.fill("[name=cvc]", "123"); p.fill("[name=name]", "Bo")
    p.click("main button >> nth=0"); p.wait_for_load_state()
    print("BACK", p.url)
    p.screenshot(path=str(OUT/"after-pay.png"), full_page=True)
    watcher.wait_for_timeout(2500)
    print("LIVE", watcher.inner_text(".fill-count"))
    watcher.screenshot(path=str(OUT/"live.png"))
    shoot("pledge-backed", mine.get_absolute_url(), "ana@test.example")
    shoot("rides", "/rides/", "ana@test.example")
    shoot("leave", mine.get_absolute_url()+"leave/", "ana@test.example")
    shoot("seats", mine.get_absolute_url()+"seats/", "ana@test.example")
    shoot("hand-over", f"/pass/{mine.passengers.first().code}/hand-over/", "ana@test.example")
    shoot("captain", f"/t/{trip.code}/captain/", "cleo@test.example")
    make.bound(trip, now=clock.now())
    poor = make.backed(trip, person("poor"), seats=6, card=SAVES_THEN_DECLINES, now=clock.now())
    print("STATE", Trip.objects.get(id=trip.id).state, Trip.objects.get(id=trip.id).seats_pledged)
    shoot("trip-settling", trip.get_absolute_url())
    shoot("needs-card", poor.get_absolute_url(), "poor@test.example")
    make.backed(trip, seats=6, now=clock.now())
    print("STATE", Trip.objects.get(id=trip.id).state)
    shoot("trip-confirmed", trip.get_absolute_url())
    shoot("pledge-paid", mine.get_absolute_url(), "ana@test.example")
    shoot("pass", mine.passengers.first().get_absolute_url())
    shoot("pledge-form-charge", f"/t/{trip.code}/pledge/")
    van = proposed(vehicle_class=VehicleClass.VAN, now=clock.now())
    make.backed(van, seats=3, now=clock.now())
    settlement.settle(trip_id=van.id, now=van.decides_at)
    shoot("trip-lapsed", van.get_absolute_url())
    for n in Notice.objects.all():
        m = outbox.message(n)
        f = OUT / f"mail-{n.kind}.html"
        if not f.exists(): f.write_text(m.alternatives[0][0]); (OUT/f"mail-{n.kind}.txt").write_text(m.subject+"\n\n"+m.body)
    for k in ("pledged","confirmed","card_needs_you","lapsed"):
        p = page({"width":640,"height":900}); p.goto(f"file:///tmp/eshots/mail-trips.{k}.html"); p.screenshot(path=str(OUT/f"mail-{k}.png"), full_page=True)
    print("\n".join(wrongs[:40]))
