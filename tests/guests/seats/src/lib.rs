//! A decider of shows whose seats are booked. `tests/languages` has the same in other languages: the same commands come
//! out as the same events there, byte for byte.

use std::collections::BTreeMap;

use kinora_sdk::{Claim, Context, Decider, JsonSchema, Rejection, Rules, Scope, export_decider, schemars};
use serde::{Deserialize, Serialize};

/// What is known of a show; of the events of a guest, what that guest has.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    title: String,
    price: f64,
    left: u64,
    /// Seats by guest.
    booked: BTreeMap<String, u64>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Command {
    /// Opens a show with a title that no other show has.
    Open { title: String, seats: u64, price: f64 },
    /// Books seats.
    Book { guest: String, seats: u64 },
    /// Gives the seats of a guest up, and books as many in another show.
    Exchange { guest: String, other: String },
    /// Thanks a guest for all seats, of all shows.
    Thank { guest: String },
    /// Closes the show, and gives its title up.
    Close,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    ShowOpened { title: String, seats: u64, price: f64 },
    SeatsBooked { guest: String, seats: u64, paid: f64, show: Option<String> },
    SeatsGivenUp { guest: String, seats: u64 },
    GuestThanked { guest: String, seats: BTreeMap<String, u64>, words: Vec<String> },
    ShowClosed { title: String },
}

pub struct Seats;

fn of(guest: &str) -> String {
    format!("guest:{guest}")
}

fn sold_out(left: u64) -> Rejection {
    Rejection::new("sold_out", "there are not as many seats left").detail("left", left)
}

impl Decider for Seats {
    type State = State;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("seats").category("show").claim("title", "title_taken", "another show has this title")
    }

    fn decide(show: &State, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Open { title, .. } if show.title == title => Ok(Vec::new()),
            Command::Open { title, seats, price } => Ok(vec![Event::ShowOpened { title, seats, price }]),
            Command::Book { seats, .. } if seats > show.left => Err(sold_out(show.left)),
            Command::Book { guest, seats } => {
                let paid = seats as f64 * show.price;
                Ok(vec![Event::SeatsBooked { guest, seats, paid, show: None }])
            }
            Command::Exchange { guest, other } => {
                let there = context.other(&other)?;
                let seats = show.booked.get(&guest).copied().unwrap_or(0);
                if seats > there.left {
                    return Err(sold_out(there.left));
                }
                let paid = seats as f64 * (there.price - show.price);
                let booked = Event::SeatsBooked { guest: guest.clone(), seats, paid, show: Some(other) };
                Ok(vec![Event::SeatsGivenUp { guest, seats }, booked])
            }
            Command::Thank { guest } => {
                let seats = context.of(&Scope::tags([of(&guest)]))?.booked.clone();
                let words = vec![format!("Thanks, {guest}!"), format!("{} \"\\\u{7f}\u{2028}🎭", show.title)];
                Ok(vec![Event::GuestThanked { guest, seats, words }])
            }
            Command::Close => Ok(vec![Event::ShowClosed { title: show.title.clone() }]),
        }
    }

    fn evolve(mut show: State, event: Event) -> State {
        match event {
            Event::ShowOpened { title, seats, price } => {
                show.left = seats;
                (show.title, show.price) = (title, price);
            }
            Event::SeatsBooked { guest, seats, .. } => {
                show.left = show.left.saturating_sub(seats);
                *show.booked.entry(guest).or_default() += seats;
            }
            Event::SeatsGivenUp { guest, seats } => {
                show.left += seats;
                show.booked.remove(&guest);
            }
            Event::GuestThanked { .. } => {}
            Event::ShowClosed { .. } => show.title.clear(),
        }
        show
    }

    fn stream(event: &Event, _id: &str) -> Option<String> {
        match event {
            Event::SeatsBooked { show, .. } => show.as_ref().map(|id| format!("show-{id}")),
            _ => None,
        }
    }

    fn tags(event: &Event) -> Vec<String> {
        match event {
            Event::SeatsBooked { guest, .. } | Event::SeatsGivenUp { guest, .. } => vec![of(guest)],
            _ => Vec::new(),
        }
    }

    fn claims(event: &Event) -> Vec<Claim> {
        match event {
            Event::ShowOpened { title, .. } => vec![Claim::take("title", title)],
            Event::ShowClosed { title } => vec![Claim::release("title", title)],
            _ => Vec::new(),
        }
    }
}

export_decider!(Seats);
