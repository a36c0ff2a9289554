//! [`File`]: a file on a disk behind a cache: what is read, what is on the platter, and what is on its way there.

use std::ops::Range;

use fastrand::Rng;

/// What a disk writes whole, or not at all.
const SECTOR: usize = 512;

/// What the cache has in one piece.
const PAGE: usize = 4096;

/// States of the platter that are kept.
const EARLIER: usize = 4;

struct Write {
    at: usize,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub struct File {
    /// What is read while there is power.
    seen: Vec<u8>,
    /// What is there without it.
    kept: Vec<u8>,
    /// What is in the cache only, oldest first.
    unsynced: Vec<Write>,
    /// What the platter had at some moments before.
    earlier: Vec<Vec<u8>>,
    failures: u64,
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The parts of a write that get through where it is cut short: some of its sectors, or of its pages, or only those
/// at its beginning or at its end.
fn torn(rng: &mut Rng, write: &Write) -> Vec<Write> {
    let unit = if rng.bool() { SECTOR } else { PAGE };
    let units = write.bytes.len().div_ceil(unit);
    let (way, middle) = (rng.u8(0..4), rng.usize(0..=units));
    let survives = |n: usize, rng: &mut Rng| match way {
        0 => n < middle,
        1 => n >= middle,
        _ => rng.bool(),
    };
    let parts = write.bytes.chunks(unit).enumerate().filter(|(n, _)| survives(*n, rng));
    parts.map(|(n, bytes)| Write { at: write.at + n * unit, bytes: bytes.to_vec() }).collect()
}

impl File {
    pub fn new(bytes: &[u8]) -> Self {
        Self { seen: bytes.to_vec(), kept: bytes.to_vec(), ..Self::default() }
    }

    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Into the cache.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.seen, at, bytes);
        self.unsynced.push(Write { at, bytes: bytes.to_vec() });
    }

    /// Past the cache: what that has of these bytes goes before them.
    pub fn write_through(&mut self, at: usize, bytes: &[u8]) {
        self.bring(at..at + bytes.len());
        put(&mut self.seen, at, bytes);
        put(&mut self.kept, at, bytes);
    }

    /// Past the cache, into a disk that forgets it once it has no power.
    pub fn write_and_forget(&mut self, at: usize, bytes: &[u8]) {
        self.bring(at..at + bytes.len());
        put(&mut self.seen, at, bytes);
    }

    /// The cache has some of it.
    pub fn tear(&mut self, rng: &mut Rng, at: usize, bytes: &[u8]) {
        for part in torn(rng, &Write { at, bytes: bytes.to_vec() }) {
            self.write(part.at, &part.bytes);
        }
    }

    /// The disk has some of it.
    pub fn tear_through(&mut self, rng: &mut Rng, at: usize, bytes: &[u8]) {
        self.bring(at..at + bytes.len());
        for part in torn(rng, &Write { at, bytes: bytes.to_vec() }) {
            self.write_through(part.at, &part.bytes);
        }
    }

    fn bring(&mut self, range: Range<usize>) {
        for Write { at, bytes } in std::mem::take(&mut self.unsynced) {
            for (at, bytes) in (at..).step_by(PAGE).zip(bytes.chunks(PAGE)) {
                if at < range.end && range.start < at + bytes.len() {
                    put(&mut self.kept, at, bytes);
                } else {
                    self.unsynced.push(Write { at, bytes: bytes.to_vec() });
                }
            }
        }
    }

    /// How much a sync that begins now is about.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// The first writes of the cache are on the platter.
    pub fn sync(&mut self, writes: usize) {
        self.remember();
        for write in self.unsynced.drain(..writes.min(self.unsynced.len())) {
            put(&mut self.kept, write.at, &write.bytes);
        }
    }

    /// The cache takes them for synced, and the platter has some of their sectors (none, if it just forgets).
    pub fn lose(&mut self, rng: Option<&mut Rng>, writes: usize) {
        let writes: Vec<_> = self.unsynced.drain(..writes.min(self.unsynced.len())).collect();
        let Some(rng) = rng else { return };
        for part in writes.iter().flat_map(|write| torn(rng, write)) {
            put(&mut self.kept, part.at, &part.bytes);
        }
    }

    /// A sync fails.
    pub fn fail(&mut self, rng: &mut Rng, writes: usize) {
        self.lose(Some(rng), writes);
        self.failures += 1;
    }

    /// Syncs that have failed.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Of what was not synced, some is there.
    pub fn power_cut(&mut self, rng: &mut Rng) {
        let all = self.unsynced.len();
        self.lose(Some(rng), all);
        self.seen.clone_from(&self.kept);
    }

    /// The cache reads again what it takes for synced.
    pub fn evict(&mut self) {
        self.seen.clone_from(&self.kept);
        for write in &self.unsynced {
            put(&mut self.seen, write.at, &write.bytes);
        }
    }

    /// Keeps what the platter has, so that it can come back.
    pub fn remember(&mut self) {
        self.earlier.push(self.kept.clone());
        if self.earlier.len() > EARLIER {
            self.earlier.remove(0);
        }
    }

    /// Damage while nobody uses it.
    pub fn rot(&mut self, rng: &mut Rng) -> String {
        let length = self.kept.len();
        // Rather where something is.
        let mut at = rng.usize(..length);
        for _ in 0..8 {
            if self.kept[at] == 0 {
                at = rng.usize(..length);
            }
        }
        let page = at - at % PAGE..(at - at % PAGE + PAGE).min(length);
        let earlier = (!self.earlier.is_empty()).then(|| self.earlier[rng.usize(..self.earlier.len())].clone());
        let what = match (rng.u8(0..8), earlier) {
            (0, Some(earlier)) => {
                self.kept = earlier;
                "all of it is as before".to_owned()
            }
            (1 | 2, Some(earlier)) if earlier.len() >= page.end => {
                self.kept[page.clone()].copy_from_slice(&earlier[page.clone()]);
                format!("{page:?} is as before")
            }
            (3, _) => {
                self.kept.truncate(at);
                format!("it is cut at {at}")
            }
            (4, _) => {
                let sector = at - at % SECTOR..(at - at % SECTOR + SECTOR).min(length);
                self.kept[sector.clone()].fill(0);
                format!("{sector:?} is empty")
            }
            _ => {
                let bit = rng.u8(..8);
                self.kept[at] ^= 1 << bit;
                format!("bit {bit} of {at} is flipped")
            }
        };
        self.unsynced.clear();
        self.seen.clone_from(&self.kept);
        what
    }
}
