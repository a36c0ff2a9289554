//! Every decoder of bytes from the disk or the network, for a short time: random bytes, and what it accepts, changed at
//! random. `make fuzz` does the same for as long as one likes, guided by coverage.

use kinora::fuzz::TARGETS;
use kinora_tests::property;
use proptest::prelude::*;
use proptest::sample::Index;

/// Inputs of each decoder.
const CASES: u32 = 3_000;

/// What happens to an input: a byte changes, a piece is cut, doubled, or put in.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index, Index),
    Double(Index, Index),
    Insert(Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (index(), index()).prop_map(|(from, to)| Change::Cut(from, to)),
        1 => (index(), index()).prop_map(|(from, to)| Change::Double(from, to)),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn apply(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let at = |index: &Index| index.index(bytes.len() + 1);
    let between = |a: &Index, b: &Index| at(a).min(at(b))..at(a).max(at(b));
    match change {
        Change::Set(index, byte) => {
            if !bytes.is_empty() {
                let place = index.index(bytes.len());
                bytes[place] = *byte;
            }
        }
        Change::Cut(a, b) => drop(bytes.drain(between(a, b))),
        Change::Double(a, b) => {
            let piece = bytes[between(a, b)].to_vec();
            bytes.splice(at(a)..at(a), piece);
        }
        Change::Insert(index, piece) => drop(bytes.splice(at(index)..at(index), piece.clone())),
    }
    bytes
}

#[test]
fn no_decoder_panics_or_accepts_what_makes_no_sense() {
    for target in TARGETS {
        target.seeds.iter().for_each(|seed| (target.run)(seed));
        let seeded = (0..target.seeds.len(), prop::collection::vec(change(), 0..6))
            .prop_map(|(seed, changes)| changes.iter().fold(target.seeds[seed].to_vec(), apply));
        let random = prop::collection::vec(any::<u8>(), 0..200);
        let config = ProptestConfig { source_file: Some(file!()), ..property(CASES) };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let run = |bytes: Vec<u8>| {
            (target.run)(&bytes);
            Ok(())
        };
        if let Err(failure) = runner.run(&prop_oneof![4 => seeded, 1 => random], run) {
            panic!("{}: {failure}", target.name);
        }
    }
}
