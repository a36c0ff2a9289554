//! The program as a process: its command line, its ends, and what it takes of the machine. Cargo builds the program for
//! these tests, since they are in its package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod asking;
mod backup;
mod cli;
mod decoders;
mod determinism;
mod ends;
mod faults;
mod hostile;
mod printed;
mod readme;
mod serving;
mod words;
mod work;
