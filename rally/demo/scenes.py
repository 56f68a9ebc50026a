"""What the market is made of: which trips, from where, how full, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from trips.states import VehicleClass

#: From where people come by bus: for each venue, stops in the order of the road, each a town of the gazetteer.
ROUTES = {
    "Lambeau Field": (
        ("Milwaukee, WI", "Sheboygan, WI"),
        ("Madison, WI", "Fond du Lac, WI"),
        ("Wausau, WI",),
    ),
    "Soldier Field": (("Milwaukee, WI", "Kenosha, WI"), ("Rockford, IL", "Elgin, IL"), ("South Bend, IN",)),
    "U.S. Bank Stadium": (("Duluth, MN",), ("Rochester, MN",), ("Eau Claire, WI",)),
    "Lucas Oil Stadium": (("Louisville, KY",), ("Cincinnati, OH",), ("Fort Wayne, IN",)),
    "Ford Field": (("Toledo, OH",), ("Grand Rapids, MI", "Lansing, MI")),
    "Huntington Bank Field": (("Columbus, OH",), ("Erie, PA",), ("Toledo, OH",)),
    "Acrisure Stadium": (("Erie, PA",), ("Cleveland, OH", "Akron, OH")),
    "Highmark Stadium": (("Syracuse, NY", "Rochester, NY"), ("Erie, PA",)),
    "Lincoln Financial Field": (
        ("New York City, NY",),
        ("Allentown, PA",),
        ("Baltimore, MD", "Wilmington, DE"),
    ),
    "MetLife Stadium": (("Philadelphia, PA",), ("Hartford, CT", "New Haven, CT"), ("Albany, NY",)),
    "Gillette Stadium": (("Hartford, CT",), ("Portland, ME",), ("Worcester, MA",)),
    "M&T Bank Stadium": (("Richmond, VA",), ("Harrisburg, PA",)),
    "Northwest Stadium": (("Richmond, VA",), ("Philadelphia, PA",)),
    "Bank of America Stadium": (("Raleigh, NC", "Greensboro, NC"), ("Columbia, SC",)),
    "Mercedes-Benz Stadium": (("Chattanooga, TN",), ("Macon, GA",), ("Birmingham, AL",)),
    "Nissan Stadium": (("Chattanooga, TN",), ("Huntsville, AL",)),
    "AT&T Stadium": (("Waco, TX",), ("Tyler, TX",)),
    "Reliant Stadium": (("Austin, TX",), ("Beaumont, TX",)),
    "Caesars Superdome": (("Baton Rouge, LA",), ("Mobile, AL",)),
    "Arrowhead Stadium": (("Columbia, MO",), ("Topeka, KS", "Lawrence, KS")),
    "Empower Field at Mile High": (("Pueblo, CO", "Colorado Springs, CO"), ("Fort Collins, CO",)),
    "State Farm Stadium": (("Tucson, AZ",), ("Flagstaff, AZ",)),
    "Raymond James Stadium": (("Orlando, FL",), ("Gainesville, FL",)),
    "Hard Rock Stadium": (("Fort Myers, FL",), ("West Palm Beach, FL",)),
    "EverBank Stadium": (("Orlando, FL",), ("Savannah, GA",)),
    "SoFi Stadium": (("San Diego, CA",), ("Bakersfield, CA",)),
    "Levi's® Stadium": (("Sacramento, CA",), ("Fresno, CA",)),
    "Lumen Field": (("Portland, OR",), ("Bellingham, WA",)),
    "Allegiant Stadium": (("Saint George, UT",), ("Henderson, NV",)),
}

#: Where exactly the buses of the first towns wait.
MEETING_POINTS = {
    "Milwaukee, WI": ("Milwaukee Intermodal Station", 43.0346, -87.9166, "433 W St Paul Ave"),
    "Madison, WI": ("Dutch Mill Park and Ride, Madison", 43.0476, -89.3028, "Dutch Mill Rd"),
    "Rockford, IL": ("Rockford East Side Transfer", 42.2633, -88.9973, "725 N Lyford Rd"),
    "Duluth, MN": ("Duluth Transportation Center", 46.7846, -92.1026, "228 W Michigan St"),
    "Portland, OR": ("Portland Union Station", 45.5290, -122.6766, "800 NW 6th Ave"),
}


class End(Enum):
    """How far a trip of the market has come."""

    GATHERING = auto()
    SETTLING = auto()  #: cards are being mended
    CONFIRMED = auto()
    UNDER_WAY = auto()
    COMPLETED = auto()
    LAPSED = auto()
    CANCELLED = auto()


@dataclass(frozen=True)
class Festival:
    """An event of our own, made up: the published schedule knows neither yesterday nor today."""

    key: str
    name: str
    venue: str
    starts_in_hours: float
    category: str = "music"


FESTIVALS = (
    Festival("lights", "Lakefront Festival of Lights", "Soldier Field", -9 * 24),
    Festival("brass", "Northwoods Brass Weekend", "U.S. Bank Stadium", -46),
    Festival("choirs", "Night of a Thousand Choirs", "Ford Field", 1.25),
    Festival("winter", "Rose City Winter Concert", "Lumen Field", 4 * 24),
    Festival("cider", "Great Lakes Cider Fair", "Soldier Field", 5 * 24, "festival"),
    Festival("polka", "Big River Polka Ball", "Lambeau Field", 12 * 24),
    Festival("folk", "Three Rivers Folk Gathering", "Acrisure Stadium", 23 * 24),
)


@dataclass(frozen=True)
class Scene:
    """One trip to be: to the first fitting event at a venue (or to a festival), from a town, with so many seats."""

    to: str  #: a venue, or the key of a festival
    route: int  #: which of the venue's routes
    seats: int
    end: End = End.GATHERING
    bus: str = ""  #: key of the company that has committed
    kind: VehicleClass = VehicleClass.COACH
    captain: str = ""  #: of the cast; else a fellow rider
    aboard: str = ""  #: of the cast, with one seat
    opponent: str = ""  #: rather this game than the first one
    days: tuple[int, int] = (9, 45)  #: how far ahead the event may be
    since: float = 12.0  #: days ago it was proposed
    driver: int = 1  #: which of the company's drivers, from 0
    refused: int = 0  #: how many of the cards are refused when it is decided
    falls: bool = False  #: the price falls as the coach fills


SCENES = (
    # What has been
    Scene("lights", 0, 36, End.COMPLETED, "lakeshore", aboard="ana", since=26, driver=1),
    Scene("brass", 0, 33, End.COMPLETED, "northstar", since=22, driver=0),
    Scene("winter", 0, 9, End.LAPSED, since=14),
    Scene("polka", 1, 4, End.CANCELLED, kind=VehicleClass.MINI, since=6),
    # What is now
    Scene("choirs", 0, 31, End.UNDER_WAY, "maumee", since=16, driver=0),
    Scene("Huntington Bank Field", 0, 26, End.SETTLING, "buckeye", since=9, driver=0, refused=2),
    # What will be
    Scene("cider", 0, 31, End.CONFIRMED, "lakeshore", aboard="ana", captain="cleo", since=15, driver=0),
    Scene("Soldier Field", 1, 28, End.CONFIRMED, "prairie", days=(9, 30), since=13, driver=0),
    Scene("Lincoln Financial Field", 1, 38, End.CONFIRMED, "liberty", since=16, driver=0, falls=True),
    Scene("Raymond James Stadium", 0, 17, End.CONFIRMED, "palmetto", VehicleClass.MINI, since=10, driver=0),
    # What may become
    Scene("Lambeau Field", 0, 24, captain="cleo", opponent="Buffalo Bills", days=(10, 45), since=11),
    Scene("Lambeau Field", 1, 9, opponent="Miami Dolphins", since=4),
    Scene("Soldier Field", 0, 12, captain="cleo", opponent="Green Bay Packers", since=3),
    Scene("U.S. Bank Stadium", 0, 17, bus="northstar", since=12, falls=True),
    Scene("U.S. Bank Stadium", 2, 6, kind=VehicleClass.MINI, since=5),
    Scene("MetLife Stadium", 0, 27, since=13),
    Scene("MetLife Stadium", 1, 14, since=7),
    Scene("Lumen Field", 0, 21, bus="cascadia", since=12),
    Scene("Empower Field at Mile High", 0, 6, bus="frontrange", kind=VehicleClass.VAN, since=8),
    Scene("AT&T Stadium", 0, 3, kind=VehicleClass.MINI, since=2),
    Scene("Arrowhead Stadium", 0, 13, since=9),
    Scene("Highmark Stadium", 0, 19, bus="empire", since=10),
    Scene("Levi's® Stadium", 0, 11, kind=VehicleClass.MINI, since=6),
    Scene("Mercedes-Benz Stadium", 0, 5, since=3),
    Scene("folk", 0, 2, kind=VehicleClass.VAN, since=1),
)
