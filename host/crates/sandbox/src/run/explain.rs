//! Reasons of a call of a guest that did not end well: which rule or limit, and where in the guest.

use std::sync::Arc;

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use kinora_types::Position;

use crate::error::{Category, Failure, Frames};
use crate::limits::{Fuel, Limits};
use crate::module::lines::Line;
use crate::module::symbols::Symbols;
use crate::run::reach::{Reach, shorten};

/// Frames of a backtrace that are kept: a recursion has thousands that say the same.
const BACKTRACE_FRAMES: usize = 32;

/// Bytes of one frame: the names of generic functions have no end.
const FRAME_BYTES: usize = 256;

/// What wasmtime says when a guest hands over more than it may. Its type is private.
const TOO_MANY_BYTES: &str = "too much data";

/// What wasmtime says when a component has more parts than it may. It has no type for that, either.
const TOO_MANY_PARTS: &str = "resource limit exceeded";

/// What the number of a function stands behind that has no name: adapters of a tool have none.
const UNNAMED: &str = "function ";

/// Functions in which stubs of WASI trap, by a part of their names, and what a guest has asked for there.
const ASKED: [(&str, &str); 4] = [
    ("clock_now", "the time"),
    ("clock_gettime", "the time"),
    ("random_get", "random numbers"),
    ("getentropy", "random numbers"),
];

/// Explains the error of a call.
pub fn explain(
    error: &wasmtime::Error,
    reach: &mut Reach,
    fuel: Fuel,
    limits: &Limits,
    symbols: &Arc<Symbols>,
) -> Failure {
    let failure = cause(error, reach, fuel, limits);
    let Some(trace) = Trace::new(error, symbols) else { return failure };
    let message = match trace.asked() {
        Some(what) if failure.category == Category::Trap => {
            format!("the guest asked for {what}, which it does not have: the same events have to give the same rows")
        }
        _ => failure.message.clone(),
    };
    Failure { message, backtrace: trace.names(), frames: Some(Arc::new(trace)), ..failure }
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
    if root.contains(TOO_MANY_PARTS) {
        let message = "the module has more core instances, memories or tables in it than it may";
        return Failure::over(Category::Rule, message, "instances", limits.instances as u64);
    }
    Failure::new(Category::Trap, shorten(format!("the guest trapped: {root}"), limits.message_bytes))
}

/// The functions that a call ended in, innermost first, each with its place in the module.
#[derive(Debug)]
struct Trace {
    frames: Vec<(String, Option<u64>)>,
    symbols: Arc<Symbols>,
}

impl Trace {
    fn new(error: &wasmtime::Error, symbols: &Arc<Symbols>) -> Option<Self> {
        let frame = |frame: &FrameInfo| {
            let name = frame.func_name().map_or_else(|| format!("{UNNAMED}{}", frame.func_index()), demangled);
            (name, frame.module_offset().map(|offset| offset as u64))
        };
        let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
        let frames = frames.iter().take(BACKTRACE_FRAMES).map(frame).collect();
        Some(Self { frames, symbols: Arc::clone(symbols) })
    }

    /// What the guest asked for that no guest has, as far as the function says so in which it trapped. What called that
    /// one may be called as it likes.
    fn asked(&self) -> Option<&'static str> {
        let name = self.frames.iter().map(|(name, _)| name).find(|name| !name.starts_with(UNNAMED))?;
        ASKED.iter().find(|(part, _)| name.contains(part)).map(|(_, what)| *what)
    }

    fn names(&self) -> Box<[String]> {
        self.frames.iter().map(|(name, _)| shorten(name.clone(), FRAME_BYTES)).collect()
    }
}

impl Frames for Trace {
    /// What was inlined stands there, too.
    fn with_lines(&self) -> Vec<String> {
        let offsets: Vec<u64> = self.frames.iter().filter_map(|(_, offset)| *offset).collect();
        let mut lines = self.symbols.lines(&offsets).into_iter();
        let mut frames = Vec::new();
        for (name, offset) in &self.frames {
            let here = offset.and_then(|_| lines.next()).filter(|lines| !lines.is_empty());
            let Some(here) = here else {
                frames.push(name.clone());
                continue;
            };
            for Line { function, file, line } in here {
                let name = function.map_or_else(|| name.clone(), |function| demangled(&function));
                frames.push(match (file, line) {
                    (Some(file), Some(line)) => format!("{name} ({file}:{line})"),
                    (Some(file), None) => format!("{name} ({file})"),
                    _ => name,
                });
            }
        }
        frames.truncate(BACKTRACE_FRAMES);
        frames.into_iter().map(|frame| shorten(frame, FRAME_BYTES)).collect()
    }
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
