//! The SDK for Kinora's projectors, upcasters and deciders in Rust: plain types that fold events into rows, plain
//! functions that bring events of an old schema to a new one, and rules that turn commands into events.
//!
//! The same code runs as a sandboxed WebAssembly component in a host, and natively in a unit test:
//!
//! ```
//! use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, Rows, Table, schemars, testing::Scenario};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize, JsonSchema)]
//! struct Carrier {
//!     flights: u64,
//! }
//!
//! const CARRIERS: Table<Carrier> = Table::new("carriers");
//!
//! #[derive(Deserialize)]
//! struct Scheduled<'a> {
//!     carrier: &'a str,
//! }
//!
//! #[derive(Default)]
//! struct Flights;
//!
//! impl Projector for Flights {
//!     fn describe() -> Manifest {
//!         Manifest::new("flights")
//!             .handles("FlightScheduled", 1)
//!             .table(CARRIERS, "carrier")
//!             .index(CARRIERS, "by_flights", &["flights"])
//!     }
//!
//!     fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
//!         match event.kind() {
//!             "FlightScheduled" => {
//!                 let scheduled: Scheduled = event.data()?;
//!                 rows.entry(CARRIERS, scheduled.carrier)?.flights += 1;
//!                 Ok(())
//!             }
//!             _ => Err(event.unhandled()),
//!         }
//!     }
//! }
//!
//! // In a crate of type `cdylib`, this makes the component:
//! kinora_sdk::export_projector!(Flights);
//!
//! let mut scenario = Scenario::<Flights>::new();
//! scenario.given("FlightScheduled", 1, r#"{"carrier": "UA"}"#).unwrap();
//! scenario.given("FlightScheduled", 1, r#"{"carrier": "UA"}"#).unwrap();
//! assert_eq!(scenario.row("carriers", "UA").as_deref(), Some(r#"{"flights":2}"#));
//! ```
//!
//! An upcaster is a function per step:
//!
//! ```
//! use kinora_sdk::{Steps, Upcaster, testing::upcast};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Old {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct New {
//!     first_name: String,
//!     last_name: String,
//! }
//!
//! struct Names;
//!
//! impl Upcaster for Names {
//!     fn describe() -> Steps {
//!         Steps::new("names").step(("Registered", 1), ("Registered", 2), |old: Old| {
//!             let (first, last) = old.name.split_once(' ').ok_or("a name has two parts")?;
//!             Ok(New { first_name: first.into(), last_name: last.into() })
//!         })
//!     }
//! }
//!
//! kinora_sdk::export_upcaster!(Names);
//!
//! let new = upcast::<Names>("Registered", 1, r#"{"name": "Ada Lovelace"}"#).unwrap();
//! assert_eq!(new, [("Registered", 2, r#"{"first_name":"Ada","last_name":"Lovelace"}"#.to_owned())]);
//! assert!(upcast::<Names>("Registered", 1, r#"{"name": "Ada"}"#).unwrap_err().message.contains("two parts"));
//! ```
//!
//! A decider is two pure functions, `decide` and `evolve`. Which commands and events there are, its enums say: each
//! variant is a type, and its data has the JSON Schema of the variant.
//!
//! ```
//! use kinora_sdk::{Claim, Context, Decider, JsonSchema, Rejection, Rules, schemars, testing::decider::given};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Deserialize, JsonSchema)]
//! #[serde(tag = "type", content = "data")]
//! enum Command {
//!     /// Opens an account under an IBAN that no other account has.
//!     Open { iban: String },
//!     /// Takes money from an account, as far as there is some.
//!     Withdraw { cents: u64 },
//!     /// Closes an account.
//!     Close,
//! }
//!
//! #[derive(Clone, Serialize, Deserialize, JsonSchema)]
//! #[serde(tag = "type", content = "data")]
//! enum Event {
//!     Opened { iban: String },
//!     Deposited { cents: u64 },
//!     Withdrawn { cents: u64 },
//!     Closed,
//! }
//!
//! #[derive(Clone, Default, Serialize, Deserialize)]
//! struct Account {
//!     is_open: bool,
//!     balance: u64,
//! }
//!
//! struct Bank;
//!
//! impl Decider for Bank {
//!     type State = Account;
//!     type Command = Command;
//!     type Event = Event;
//!
//!     fn describe() -> Rules {
//!         Rules::new("bank").category("account").claim("iban", "iban_taken", "another account has this IBAN")
//!     }
//!
//!     fn decide(account: &Account, command: Command, _: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
//!         match command {
//!             // All is as the command wants it.
//!             Command::Open { .. } if account.is_open => Ok(vec![]),
//!             Command::Open { iban } => Ok(vec![Event::Opened { iban }]),
//!             Command::Withdraw { cents } if cents > account.balance => {
//!                 let why = Rejection::new("insufficient_funds", "there is not enough on the account");
//!                 Err(why.detail("balance", account.balance))
//!             }
//!             Command::Withdraw { cents } => Ok(vec![Event::Withdrawn { cents }]),
//!             Command::Close => Ok(vec![Event::Closed]),
//!         }
//!     }
//!
//!     fn evolve(account: Account, event: Event) -> Account {
//!         match event {
//!             Event::Opened { .. } => Account { is_open: true, ..account },
//!             Event::Deposited { cents } => Account { balance: account.balance + cents, ..account },
//!             Event::Withdrawn { cents } => Account { balance: account.balance - cents, ..account },
//!             Event::Closed => Account::default(),
//!         }
//!     }
//!
//!     fn claims(event: &Event) -> Vec<Claim> {
//!         match event {
//!             Event::Opened { iban } => vec![Claim::take("iban", iban)],
//!             _ => vec![],
//!         }
//!     }
//! }
//!
//! // In a crate of type `cdylib`, this makes the component:
//! kinora_sdk::export_decider!(Bank);
//!
//! given::<Bank>([Event::Opened { iban: "DE1".into() }, Event::Deposited { cents: 500 }])
//!     .when("1", Command::Withdraw { cents: 200 })
//!     .then([Event::Withdrawn { cents: 200 }])
//!     .when("1", Command::Withdraw { cents: 301 })
//!     .then_rejected("insufficient_funds")
//!     .when("2", Command::Open { iban: "DE1".into() })
//!     .then_rejected("iban_taken");
//! ```

mod decider;
mod event;
#[doc(hidden)]
pub mod export;
mod figures;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod manifest;
pub mod native;
mod projector;
mod rows;
mod schema;
pub mod testing;
mod upcaster;

pub use decider::{Claim, ClaimEntry, Context, Decider, Own, Rejection, Rules, Scope};
pub use event::{Event, Fault};
pub use figures::{Distinct, Histogram, Quantiles, Summary};
pub use manifest::{IndexEntry, Manifest, Partition, QueryEntry, TableEntry};
pub use projector::{Projector, QueryError};
pub use rows::{Rows, Scan, Table, Wanted, composite_key};
pub use schema::SchemaEntry;
/// What the derive of [`JsonSchema`] writes names it by this name: both come into scope together.
pub use schemars::{self, JsonSchema};
pub use upcaster::{Outputs, Steps, Upcaster};

/// Makes a component of a projector: one component a crate. Natively it checks that the type is a projector, no more.
#[macro_export]
macro_rules! export_projector {
    ($projector:path) => {
        struct TheComponentOfThisCrate;
        impl $crate::export::ProjectorComponent for TheComponentOfThisCrate {
            type Projector = $projector;
        }
        #[cfg(target_arch = "wasm32")]
        $crate::guest::bindings::export!(TheComponentOfThisCrate with_types_in $crate::guest::bindings);
    };
}

/// Makes a component of an upcaster: one component a crate. Natively it checks that the type is an upcaster, no more.
#[macro_export]
macro_rules! export_upcaster {
    ($upcaster:path) => {
        struct TheComponentOfThisCrate;
        impl $crate::export::UpcasterComponent for TheComponentOfThisCrate {
            type Upcaster = $upcaster;
        }
        #[cfg(target_arch = "wasm32")]
        $crate::guest::upcaster_bindings::export_upcaster_world!(
            TheComponentOfThisCrate with_types_in $crate::guest::upcaster_bindings
        );
    };
}

/// Makes a component of a decider: one component a crate. Natively it checks that the type is a decider, no more.
#[macro_export]
macro_rules! export_decider {
    ($decider:path) => {
        struct TheComponentOfThisCrate;
        impl $crate::export::DeciderComponent for TheComponentOfThisCrate {
            type Decider = $decider;
        }
        #[cfg(target_arch = "wasm32")]
        $crate::guest::decider_bindings::export_decider_world!(
            TheComponentOfThisCrate with_types_in $crate::guest::decider_bindings
        );
    };
}
