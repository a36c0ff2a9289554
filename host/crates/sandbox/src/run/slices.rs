//! Slices of a call: it runs for some fuel, and is then asked whether it may go on. So a call ends that nobody waits
//! for, or that takes too long, and guests pay nothing for it: they count their fuel anyhow.
//!
//! Fuel decides how much a guest computes, the same on any machine. Where a slice ends makes no difference to the
//! guest; what is left is done again, or is an error, and never in the rows.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// About 10 ms: how long a call goes on at most after its end is wanted.
pub const SLICE: u64 = 10_000_000;

/// Runs a call slice by slice, as long as it may go on. Blocks.
pub fn run<T, E>(call: impl Future<Output = Result<T, E>>, may_go_on: impl Fn() -> Result<(), E>) -> Result<T, E> {
    let mut call = pin!(call);
    loop {
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => return result,
            Poll::Pending => may_go_on()?,
        }
    }
}
