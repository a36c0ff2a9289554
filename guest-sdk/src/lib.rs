//! Write Kinora projectors in Rust: a plain type that folds events into rows.
//!
//! The same code runs as a sandboxed WebAssembly component in a host, and natively in a unit test:
//!
//! ```
//! use kinora_sdk::{Event, Fault, Manifest, Projector, Rows, Table, testing::Scenario};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
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

mod event;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod manifest;
mod rows;
mod runtime;
pub mod testing;

pub use event::{Event, Fault};
pub use manifest::{Manifest, TableEntry};
pub use rows::{Rows, Table};
pub use runtime::{Projector, QueryError};

/// Makes a component of a projector. Natively it does nothing.
#[macro_export]
macro_rules! export_projector {
    ($projector:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        mod kinora_component {
            use $crate::guest;
            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<guest::Instance<super::$projector>> = ::std::default::Default::default();
            }
            struct Component;
            impl guest::bindings::Guest for Component {
                fn describe() -> guest::bindings::Manifest {
                    guest::describe::<super::$projector>()
                }
                fn apply(events: guest::bindings::Batch) -> ::std::result::Result<(), guest::bindings::Fault> {
                    INSTANCE.with_borrow_mut(|instance| instance.apply(&events))
                }
                fn flush() -> ::std::result::Result<(), guest::bindings::Fault> {
                    INSTANCE.with_borrow_mut(|instance| instance.flush())
                }
                fn query(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::std::result::Result<::std::string::String, guest::bindings::QueryError> {
                    INSTANCE.with_borrow_mut(|instance| instance.query(&name, &arguments))
                }
            }
            guest::bindings::export!(Component with_types_in guest::bindings);
        }
    };
}
