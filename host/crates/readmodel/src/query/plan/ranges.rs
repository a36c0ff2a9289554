//! Ranges of entries, narrowed part by part.

use std::ops::Range;

use crate::layout::keys;
use crate::query::plan::spans::{EntryPart, Spans};
use crate::query::reader::escape_part;

/// Ranges of one plan. Lists of values that give more are read as one range around them.
const MAX_RANGES: usize = 200;

/// The ranges of entries, part by part.
pub struct Ranges {
    /// What the entries begin with, as far as all parts are bound to single values.
    starts: Vec<Vec<u8>>,
    /// Once a part is not.
    ends: Option<Vec<Range<Vec<u8>>>>,
}

impl Ranges {
    /// All entries that begin so.
    pub fn new(prefix: Vec<u8>) -> Self {
        Self { starts: vec![prefix], ends: None }
    }

    /// Whether the next part can still be narrowed.
    pub fn are_open(&self) -> bool {
        self.ends.is_none()
    }

    /// Narrows to these values of the next part. `false` if that would be too many ranges, so that it only narrows.
    pub fn add(&mut self, part: &EntryPart, values: &Spans) -> bool {
        let last = matches!(part, EntryPart::Key | EntryPart::KeyPart { last: true, .. });
        let points = values.spans.iter().all(|span| span.point);
        let fits = self.starts.len() * values.spans.len() <= MAX_RANGES;
        let mut ranges = Vec::new();
        for start in &self.starts {
            let all = values.spans.iter().map(|span| bounds(part, &span.lower, &span.upper, span.point));
            let mut all: Vec<_> = all.map(|range| joined(start, &range)).collect();
            // Greater values stand first in a descending field.
            all.sort_by(|a, b| a.start.cmp(&b.start));
            match (fits, all.first(), all.last()) {
                (false, Some(first), Some(last)) => ranges.push(first.start.clone()..last.end.clone()),
                _ => ranges.extend(all),
            }
        }
        if points && !last && fits {
            self.starts = ranges.into_iter().map(|range| range.start).collect();
        } else {
            self.ends = Some(ranges);
        }
        fits
    }

    /// The next parts are not narrowed.
    pub fn close(&mut self) {
        if self.ends.is_none() {
            self.ends = Some(self.starts.iter().map(|start| start.clone()..keys::after(start)).collect());
        }
    }

    pub fn finish(mut self) -> Vec<Range<Vec<u8>>> {
        self.close();
        let mut ranges = self.ends.unwrap_or_default();
        ranges.sort_by(|a, b| a.start.cmp(&b.start));
        // Parts of keys are narrowed generously: what overlaps becomes one.
        let mut merged: Vec<Range<Vec<u8>>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = range.end.max(std::mem::take(&mut last.end)),
                _ => merged.push(range),
            }
        }
        merged
    }
}

fn joined(start: &[u8], range: &Range<Vec<u8>>) -> Range<Vec<u8>> {
    [start, &range.start].concat()..[start, &range.end].concat()
}

/// Where values from `lower` to `upper` stand at a part.
fn bounds(part: &EntryPart, lower: &[u8], upper: &[u8], point: bool) -> Range<Vec<u8>> {
    match part {
        EntryPart::Field(column) if column.descending => {
            let inverted = |bytes: &[u8]| keys::after(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>());
            if point {
                // A point is all that begins with one encoding, so its start has to be just that.
                let start: Vec<u8> = lower.iter().map(|byte| !byte).collect();
                let end = keys::after(&start);
                return start..end;
            }
            inverted(upper)..inverted(lower)
        }
        EntryPart::KeyPart { last: false, .. } => {
            let text = |bytes: &[u8]| escape_part(&String::from_utf8_lossy(bytes)).into_bytes();
            if point {
                let start = [text(lower).as_slice(), b"/"].concat();
                let end = keys::after(&start);
                return start..end;
            }
            // Escaping changes the order: only bounds without what it escapes are bounds of keys.
            let plain = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'%' | b'/' | 0xff));
            let start = if plain(lower) { lower.to_vec() } else { Vec::new() };
            let end = if plain(upper) { part_end(upper) } else { vec![0xff] };
            start..end
        }
        EntryPart::KeyPart { last: true, .. } if point => {
            let start = escape_part(&String::from_utf8_lossy(lower)).into_bytes();
            let end = [start.as_slice(), &[0]].concat();
            start..end
        }
        EntryPart::KeyPart { last: true, .. } => Vec::new()..vec![0xff],
        EntryPart::Field(_) | EntryPart::Key => lower.to_vec()..upper.to_vec(),
    }
}

/// After all keys whose part is not above `upper`. A shorter part that `upper` begins with is below it, but with the
/// slash that ends it, it can stand behind it: `p/` comes after `p-q/`.
fn part_end(upper: &[u8]) -> Vec<u8> {
    let behind = |length: &usize| upper.get(*length).is_some_and(|next| *next <= b'/');
    let shortest = (0..upper.len()).find(behind).unwrap_or(upper.len());
    [upper.get(..shortest).unwrap_or_default(), b"0"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_below_a_bound_stands_before_its_end() {
        let parts = ["2013", "2013-05", "2013-05-01", "a", "a-b", "a.c", "ab", "b", "a b"];
        for upper in parts {
            for part in parts.iter().filter(|part| **part <= upper) {
                assert!(format!("{part}/x").as_bytes() < part_end(upper.as_bytes()).as_slice(), "{part} <= {upper}");
            }
        }
    }
}
