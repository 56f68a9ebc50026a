"""Names as people type them."""

from trips.importing.names import closest, fold, tidy


def test_fold() -> None:
    assert fold("  São Paulo F.C. ", "L’Aquila_2") == "sao paulo fc laquila 2"
    assert fold("—!") == ""
    assert fold("Straẞe") == "strasse"


def test_tidy() -> None:
    assert tidy(" a\x00b\r\n  c ") == "a b c"


def test_closest() -> None:
    assert closest("lambeau feild", ["Ford Field", "Lambeau Field"]) == "Lambeau Field"
    assert closest("Camp Nou", ["Ford Field", "Lambeau Field"]) is None
