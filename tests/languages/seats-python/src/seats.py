"""Decider of shows whose seats are booked, as `seats` has it in Rust."""

from dataclasses import dataclass, field

from kinora_sdk import Claim, Decider, Rejection


@dataclass
class State:
    """What is known of a show; of the events of a guest, what that guest has."""

    title: str = ""
    price: float = 0.0
    left: int = 0
    booked: dict[str, int] = field(default_factory=dict)
    """Seats by guest."""


seats = Decider(
    "seats",
    state=State,
    category="show",
    claims={"title": ("title_taken", "another show has this title")},
)


@seats.command("Opens a show with a title that no other show has.")
@dataclass
class Open:
    title: str
    seats: int
    price: float


@seats.command("Books seats.")
@dataclass
class Book:
    guest: str
    seats: int


@seats.command("Gives the seats of a guest up, and books as many in another show.")
@dataclass
class Exchange:
    guest: str
    other: str


@seats.command("Thanks a guest for all seats, of all shows.")
@dataclass
class Thank:
    guest: str


@seats.command("Closes the show, and gives its title up.")
@dataclass
class Close:
    pass


@seats.event()
@dataclass
class ShowOpened:
    title: str
    seats: int
    price: float


@seats.event()
@dataclass
class SeatsBooked:
    guest: str
    seats: int
    paid: float
    show: str | None


@seats.event()
@dataclass
class SeatsGivenUp:
    guest: str
    seats: int


@seats.event()
@dataclass
class GuestThanked:
    guest: str
    seats: dict[str, int]
    words: list[str]


@seats.event()
@dataclass
class ShowClosed:
    title: str


def sold_out(left: int) -> Rejection:
    return Rejection("sold_out", "there are not as many seats left", left=left)


@seats.decide
def decide(show, command, context):
    match command:
        case Open(title, wanted, price):
            return [] if title == show.title else [ShowOpened(title, wanted, price)]
        case Book(guest, wanted):
            if wanted > show.left:
                raise sold_out(show.left)
            return [SeatsBooked(guest, wanted, wanted * show.price, None)]
        case Exchange(guest, other):
            there = context.other(other)
            booked = show.booked.get(guest, 0)
            if booked > there.left:
                raise sold_out(there.left)
            paid = booked * (there.price - show.price)
            return [SeatsGivenUp(guest, booked), SeatsBooked(guest, booked, paid, other)]
        case Thank(guest):
            booked = context.tagged(f"guest:{guest}").booked
            return [GuestThanked(guest, booked, [f"Thanks, {guest}!", f'{show.title} "\\\x7f\u2028🎭'])]
        case Close():
            return [ShowClosed(show.title)]


@seats.evolve
def evolve(show, event):
    match event:
        case ShowOpened():
            show.left, show.title, show.price = event.seats, event.title, event.price
        case SeatsBooked(guest, booked):
            show.left = max(0, show.left - booked)
            show.booked[guest] = show.booked.get(guest, 0) + booked
        case SeatsGivenUp(guest, booked):
            show.left += booked
            show.booked.pop(guest, None)
        case ShowClosed():
            show.title = ""


@seats.stream
def stream(event, _id):
    return f"show-{event.show}" if isinstance(event, SeatsBooked) and event.show is not None else None


@seats.tags
def tags(event):
    return [f"guest:{event.guest}"] if isinstance(event, SeatsBooked | SeatsGivenUp) else []


@seats.claimed
def claimed(event):
    match event:
        case ShowOpened(title):
            return [Claim("title", title)]
        case ShowClosed(title):
            return [Claim("title", title, released=True)]
    return []
