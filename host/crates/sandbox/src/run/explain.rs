//! Reasons of a call of a guest that did not end well: which rule or limit, and where in the guest.

use wasmtime::{Trap, WasmBacktrace};

use kinora_types::Position;

use crate::error::{Category, Failure};
use crate::limits::{Fuel, Limits};
use crate::run::reach::{Reach, shorten};

/// Frames of a backtrace that are kept: a recursion has thousands that say the same.
const BACKTRACE_FRAMES: usize = 32;

/// Bytes of one frame: the names of generic functions have no end.
const FRAME_BYTES: usize = 256;

/// What wasmtime says when a guest hands over more than it may. Its type is private.
const TOO_MANY_BYTES: &str = "too much data";

/// Explains the error of a call.
pub fn explain(error: &wasmtime::Error, reach: &mut Reach, fuel: Fuel, limits: &Limits) -> Failure {
    let failure = cause(error, reach, fuel, limits);
    Failure { backtrace: backtrace(error).into(), ..failure }
}

fn cause(error: &wasmtime::Error, reach: &mut Reach, fuel: Fuel, limits: &Limits) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    match (error.downcast_ref::<Trap>(), reach.meter.refused()) {
        (Some(Trap::OutOfFuel), _) => {
            let message =
                format!("the guest used up its fuel of {} instructions: it loops, or costs too much", fuel.units);
            return Failure::over(Category::Fuel, message, fuel.limit, fuel.units);
        }
        (Some(Trap::StackOverflow), _) => {
            let message = "the guest overflowed its stack: it calls itself without end, or keeps large things there";
            return Failure::over(Category::Stack, message, "stack_bytes", limits.stack_bytes as u64);
        }
        // A guest that is refused memory gives up in its own way, which ends in a trap or a panic; an instance that
        // does not fit from the start ends without either.
        (_, Some(refused)) => return refused,
        _ => {}
    }
    if let Some((position, message)) = reach.panic.take() {
        let failure = Failure::new(Category::Panic, format!("the guest panicked: {message}"));
        return match position {
            Some(position) => failure.at(Position(position)),
            None => failure,
        };
    }
    let root = error.root_cause().to_string();
    if root.contains(TOO_MANY_BYTES) {
        let message = "the guest handed over too many bytes in one call";
        return Failure::over(Category::Rule, message, "call_bytes", limits.call_bytes as u64);
    }
    Failure::new(Category::Trap, shorten(format!("the guest trapped: {root}"), limits.message_bytes))
}

/// The functions that a call ended in, innermost first, with file and line if the module has them. What was inlined
/// stands there, too.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let mut frames = Vec::new();
    for frame in backtrace.frames().iter().take(BACKTRACE_FRAMES) {
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
        if frame.symbols().is_empty() {
            frames.push(name);
            continue;
        }
        for symbol in frame.symbols() {
            let name = symbol.name().map_or_else(|| name.clone(), demangled);
            frames.push(match (symbol.file(), symbol.line()) {
                (Some(file), Some(line)) => format!("{name} ({file}:{line})"),
                (Some(file), None) => format!("{name} ({file})"),
                _ => name,
            });
        }
    }
    frames.truncate(BACKTRACE_FRAMES);
    frames.into_iter().map(|frame| shorten(frame, FRAME_BYTES)).collect()
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
