//! The primitives of the leader protocol: the standard library's. A test puts those of a model checker in their place.

pub use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub use std::sync::{Mutex, MutexGuard, PoisonError};
