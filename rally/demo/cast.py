"""Who is in the demo: the seven people one can become, and the riders who fill the buses."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from rally.models import User

PASSWORD = "ride-together"  # noqa: S105 - printed on the page
DOMAIN = "demo.example"
#: Fellow riders live at another address, so that nobody takes them for people one can become.
FELLOW_DOMAIN = "riders.example"
FELLOWS = 300


@dataclass(frozen=True)
class Persona:
    """One person of the cast: what they are here, and the page on which they begin."""

    key: str
    name: str
    role: str | Promise
    does: str | Promise
    home: str
    staff: bool = False

    @property
    def email(self) -> str:
        """What they sign in with."""
        return f"{self.key}@{DOMAIN}"


CAST = (
    Persona("ana", "Ana Ruiz", _("rider"), _("looks for a bus to the game, joins and pays"), "trips:home"),
    Persona(
        "cleo", "Cleo Lindqvist", _("captain"), _("has proposed trips and gets people to join"), "trips:rides"
    ),
    Persona(
        "otto",
        "Otto Brandt",
        _("dispatcher"),
        _("commits a bus and a driver of Lakeshore Coaches"),
        "operators:board",
    ),
    Persona(
        "dee",
        "Dee Okafor",
        _("driver"),
        _("drives for Lakeshore Coaches and checks riders in"),
        "driving:today",
    ),
    Persona(
        "pat",
        "Pat Novak",
        _("partner"),
        _("works for a league and a festival whose fans travel"),
        "trips:partners",
    ),
    Persona(
        "sam", "Sam Whitaker", _("staff"), _("works for Rally and sees everything"), "desk:home", staff=True
    ),
    Persona(
        "max", "Max Quill", _("nobody's rider"), _("has an account and is part of nothing"), "trips:home"
    ),
)
BY_KEY = {persona.key: persona for persona in CAST}

_FIRST = (
    "Aaliyah Abel Adele Aidan Alma Amara Amir Andre Anika Anton Arlo Asha Aurora Basil Bea Benoit Bianca Bo Bridget Bruno "
    "Caleb Camila Carmen Cedric Celia Chidi Clara Colin Dahlia Damon Daria Dario Delia Dmitri Dolores Edith Elena Elias "
    "Elsa Emeka Enzo Esme Ezra Fatima Felix Fiona Flora Frida Gabe Gia Gideon Greta Gus Hana Hank Harper Hector Heidi "
    "Hugo Ida Imani Ines Ingrid Ira Isaac Iris Ivan Jada Jalen Janek Jasper Jo Joaquin Jonas Josie Juno Kai Kamala Keanu "
    "Kerry Kofi Lana Lars Leah Leon Lila Linus Lola Lorenzo Lucia Luka Mabel Magnus Maeve Malik Mara Marek Marisol Mateo "
    "Mei Mila Milo Mona Nadia Naveen Nell Nico Nina Noor Oda Olga Omar Opal Oscar Otis Paco Paloma Percy Petra Pia Quinn "
    "Rafa Ramona Reza Rhea Rico Rosa Rowan Ruby Rufus Sadie Samir Selma Seth Shira Sofia Sol Stella Sven Tahir Talia Tess "
    "Theo Tilda Tomas Uma Ursula Vera Vic Viola Wanda Wes Willa Xavi Yara Yusuf Zadie Zane Zoe"
).split()
_LAST = (
    "Abbott Acosta Adeyemi Ahmed Albrecht Alvarez Andersen Baptiste Barlow Bauer Becker Bell Bergstrom Bianchi Blake "
    "Booker Brandt Brennan Cabrera Calloway Campos Castillo Chandra Chen Cho Christensen Clarke Costa Cruz Dalton Davies "
    "Delgado Diaz Dixon Dubois Duran Eberly Ellis Espinoza Farley Ferrari Fischer Flores Foster Fuentes Gallagher Garza "
    "Gibbs Gomez Graves Greer Gupta Haas Hansen Hassan Hayes Herrera Hoffman Holt Huang Ibarra Ito Jansen Jensen Joshi "
    "Kaminski Kaur Keller Khan Kim Klein Kovac Kowalski Krueger Larsen Leblanc Lindgren Lopez Mahmoud Marino Marsh Mbeki "
    "Medina Mehta Mercado Meyer Molina Moreau Moss Munoz Nakamura Nguyen Novak Nunez Obi Ochoa Olsen Ortega Osei Park Patel "
    "Pereira Petrov Phan Pham Quist Ramirez Reyes Rios Rivera Rossi Ryan Salazar Santos Sato Schmidt Schultz Sharma Silva "
    "Singh Soto Stein Sullivan Suzuki Tanaka Tran Vance Vargas Vogel Wagner Walsh Weber Whitfield Wong Yamada Yang Zamora"
).split()


def ensure() -> dict[str, User]:
    """The cast by key, made on the first call. Addresses count as verified; the password is that of the demo."""
    known = {user.email: user for user in User.objects.filter(email__in=[persona.email for persona in CAST])}
    password = "" if len(known) == len(CAST) else make_password(PASSWORD)
    for persona in CAST:
        if persona.email not in known:
            known[persona.email] = User.objects.create(
                email=persona.email,
                password=password,
                name=persona.name,
                proven_address=persona.email,
                is_staff=persona.staff,
                is_superuser=persona.staff,
            )
        EmailAddress.objects.get_or_create(
            user=known[persona.email], email=persona.email, defaults={"verified": True, "primary": True}
        )
    return {persona.key: known[persona.email] for persona in CAST}


def fellows() -> list[User]:
    """The riders who fill the buses, always the same ones, made on the first call. Nobody signs in as them."""
    chance = Random(1925)  # noqa: S311 - the same names every time, nothing secret
    names = sorted({f"{chance.choice(_FIRST)} {chance.choice(_LAST)}" for _ in range(FELLOWS * 2)})
    chance.shuffle(names)
    people = {_fellow_address(name): name for name in names[:FELLOWS]}
    known = set(User.objects.filter(email__in=people).values_list("email", flat=True))
    missing = [
        User(email=address, name=name, password=make_password(None), proven_address=address)
        for address, name in people.items()
        if address not in known
    ]
    User.objects.bulk_create(missing)
    by_address = User.objects.in_bulk(people, field_name="email")
    return [by_address[address] for address in people]


def key_of(user: object) -> str:
    """Whom of the cast this is, or an empty word."""
    name, _at, domain = str(getattr(user, "email", "")).partition("@")
    return name if domain == DOMAIN and name in BY_KEY else ""


def is_fellow(email: str) -> bool:
    """Whether this is the address of one of the riders who only fill the buses."""
    return email.endswith("@" + FELLOW_DOMAIN)


def _fellow_address(name: str) -> str:
    return name.lower().replace(" ", ".") + "@" + FELLOW_DOMAIN
