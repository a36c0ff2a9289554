//! The ring of frames: where the next one goes, behind the last one, and at the end of the file to its beginning
//! again, over frames that are no longer needed. What is not known here: what is in a frame, and what the disk does.

use std::collections::VecDeque;

use kinora_types::Progress;

use crate::commit::journal::frame::BLOCK;

/// Behind the header of the file.
const FIRST: u64 = BLOCK as u64;

/// By how much a file grows at most, if more is not needed at once.
const GROWTH_BYTES: u64 = 16 * 1024 * 1024;

/// Frames that lie side by side are freed together, so that thousands of small ones need not be kept apart; but not
/// more of them than this part of the file.
const RUN_BYTES: u64 = 256 * 1024;
const RUNS_AT_LEAST: u64 = 8;

/// Frames side by side.
struct Run {
    at: u64,
    bytes: u64,
    upto: Progress,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    At(u64),
    /// There is one, once the file has this many bytes.
    Grow(u64),
    /// There is none before frames are freed.
    None,
}

pub struct Ring {
    /// Of the file.
    bytes: u64,
    /// Beyond which it does not grow, but for a frame that is larger than this.
    limit: u64,
    /// The limit that it was made with.
    most: u64,
    /// Behind the last frame.
    at: u64,
    /// What is needed, oldest first.
    needed: VecDeque<Run>,
}

impl Ring {
    /// In a file of `bytes`, of which none is needed.
    pub fn new(bytes: u64, limit: u64) -> Self {
        Self { bytes, limit, most: limit, at: FIRST, needed: VecDeque::new() }
    }

    /// Where a frame of `bytes` goes.
    pub fn place(&mut self, bytes: u64) -> Place {
        let Some(oldest) = self.needed.front().map(|run| run.at) else {
            self.begin_again();
            let end = FIRST + bytes;
            return if end <= self.bytes { Place::At(FIRST) } else { Place::Grow(self.larger().max(end)) };
        };
        let end = self.at + bytes;
        if self.at <= oldest {
            return if end <= oldest { Place::At(self.at) } else { Place::None };
        }
        if end <= self.bytes {
            return Place::At(self.at);
        }
        // A file that may still grow does, before it is used again: so there is room for what comes while frames are
        // freed.
        if self.bytes < self.limit && end <= self.limit {
            return Place::Grow(self.larger().max(end));
        }
        if FIRST + bytes <= oldest {
            self.begin_again();
            return Place::At(FIRST);
        }
        Place::None
    }

    /// A new round: what did not grow in the one before may grow now.
    fn begin_again(&mut self) {
        self.at = FIRST;
        self.limit = self.most;
    }

    /// The bytes that the file should soon have: half of what it has is used.
    pub fn should_grow(&self) -> Option<u64> {
        let goes_round = self.needed.front().is_some_and(|oldest| self.at <= oldest.at);
        (self.bytes < self.limit && !goes_round && self.at > self.bytes / 2).then(|| self.larger())
    }

    fn larger(&self) -> u64 {
        (self.bytes * 2).min(self.bytes + GROWTH_BYTES).min(self.limit).max(self.bytes)
    }

    pub fn grown(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// It could not grow, and has to do with the bytes that it has for this round.
    pub fn does_not_grow_now(&mut self) {
        self.limit = self.bytes;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A frame was written where [`place`](Self::place) said.
    pub fn put(&mut self, bytes: u64, upto: Progress) {
        let at = self.at;
        self.at += bytes;
        match self.needed.back_mut() {
            Some(last) if last.at + last.bytes == at && last.bytes < RUN_BYTES.min(self.most / RUNS_AT_LEAST) => {
                last.bytes += bytes;
                last.upto = upto;
            }
            _ => self.needed.push_back(Run { at, bytes, upto }),
        }
    }

    /// Bytes of the frames that are needed.
    pub fn needed(&self) -> u64 {
        self.needed.iter().map(|run| run.bytes).sum()
    }

    /// Frees frames, oldest first, as long as `kept_elsewhere` says so of what they lead up to.
    pub fn free<E>(&mut self, mut kept_elsewhere: impl FnMut(Progress) -> Result<bool, E>) -> Result<(), E> {
        // By halves: to ask costs a look-up.
        let (mut known, mut unknown) = (0, self.needed.len());
        while known < unknown {
            let middle = (known + unknown) / 2;
            let Some(run) = self.needed.get(middle) else { break };
            if kept_elsewhere(run.upto)? { known = middle + 1 } else { unknown = middle }
        }
        self.needed.drain(..known);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const LIMIT: u64 = 64 * FIRST;

    fn freed(ring: &mut Ring, upto: u64) {
        ring.free(|run| Ok::<_, ()>(run.0 <= upto)).unwrap();
    }

    /// A plain model: which frame each block of the file belongs to.
    #[test]
    fn no_frame_goes_over_one_that_is_needed_and_the_file_stays_within_its_limit() {
        let mut random = 88172645463325252_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for _ in 0..200 {
            let mut ring = Ring::new(4 * FIRST, LIMIT);
            let mut blocks = vec![0; 4];
            let mut tables = 0;
            let (mut wrapped, mut waited) = (0, 0);
            for frame in 1..400 {
                let bytes = (1 + next(9)) * FIRST;
                let at = loop {
                    match ring.place(bytes) {
                        Place::At(at) => break at,
                        Place::Grow(to) => {
                            assert!(to > ring.bytes() && to <= LIMIT, "{to}");
                            blocks.resize((to / FIRST) as usize, 0);
                            ring.grown(to);
                        }
                        Place::None => {
                            waited += 1;
                            tables = frame - 1 - next(3).min(frame - 1);
                            freed(&mut ring, tables);
                            if tables + 1 < frame && ring.place(bytes) == Place::None {
                                tables = frame - 1;
                                freed(&mut ring, tables);
                            }
                        }
                    }
                };
                wrapped += u32::from(at == FIRST);
                let taken = blocks.get_mut((at / FIRST) as usize..((at + bytes) / FIRST) as usize).unwrap();
                assert!(at >= FIRST && taken.iter().all(|other| *other <= tables), "{frame} over {taken:?} at {at}");
                taken.fill(frame);
                ring.put(bytes, Progress(frame));
                if next(20) == 0 {
                    tables = tables.max(frame - next(frame));
                    freed(&mut ring, tables);
                }
            }
            assert!(wrapped > 3 && waited > 0 && ring.bytes() == LIMIT, "{wrapped} {waited}");
        }
    }

    #[test]
    fn a_frame_larger_than_the_limit_has_the_file_to_itself() {
        let mut ring = Ring::new(4 * FIRST, LIMIT);
        assert_eq!(ring.place(FIRST), Place::At(FIRST));
        ring.put(FIRST, Progress(1));
        assert_eq!(ring.place(2 * LIMIT), Place::None);
        freed(&mut ring, 1);
        assert_eq!(ring.place(2 * LIMIT), Place::Grow(2 * LIMIT + FIRST));
        ring.grown(2 * LIMIT + FIRST);
        assert_eq!(ring.place(2 * LIMIT), Place::At(FIRST));
    }

    #[test]
    fn a_file_that_cannot_grow_is_used_again() {
        let mut ring = Ring::new(4 * FIRST, LIMIT);
        for n in 1..=3 {
            assert_eq!(ring.place(FIRST), Place::At(n * FIRST));
            ring.put(FIRST, Progress(n));
        }
        assert_eq!(ring.place(FIRST), Place::Grow(8 * FIRST));
        ring.does_not_grow_now();
        assert_eq!(ring.place(FIRST), Place::None);
        freed(&mut ring, 3);
        for n in 1..=3 {
            assert_eq!(ring.place(FIRST), Place::At(n * FIRST));
            ring.put(FIRST, Progress(3 + n));
        }
        assert_eq!(ring.place(FIRST), Place::Grow(8 * FIRST), "another round, another try");
    }
}
