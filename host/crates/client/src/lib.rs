//! A client of a Kinora host: every operation as a method, with the types of [`kinora_api`], and problems as errors.
//!
//! ```no_run
//! use kinora_client::api::appends::{ExpectedRevision, NewEvent};
//! use kinora_client::api::queries::Ask;
//! use kinora_client::{Client, Error};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:7070".parse()?)?;
//! let placed: NewEvent = serde_json::from_str(r#"{"type": "OrderPlaced", "data": {"total": 12}}"#)?;
//! let appended = client.append("order-7", ExpectedRevision::NoStream, &[placed]).await?;
//!
//! // Read your own writes: the query waits until the event has been applied.
//! let ask = Ask { min_position: Some(appended.last_position), ..Ask::default() };
//! match client.row::<serde_json::Value>("orders", "totals", "order-7", &ask).await {
//!     Ok(row) => println!("{} as of version {:?}", *row, row.version()),
//!     Err(Error::Refused(problem)) if problem.slug() == "unknown-row" => println!("not there"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It does not retry: what a failure means is for its user to say. An append may be sent again if its events have ids.

mod address;
mod answer;
mod client;
mod deciders;
mod error;
mod host;
mod log;
mod modules;
mod projections;
mod queries;
mod stream;

pub use address::base_url;
pub use answer::{Answer, Paged};
pub use client::{Caller, Client, http};
pub use error::Error;
pub use kinora_api as api;
pub use queries::{ListQuery, RowQuery};
pub use reqwest::Url;
pub use stream::{Message, Pieces, Subscription};
