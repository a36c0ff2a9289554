//! [`Faults`]: what a disk does to a log from one opening to the next.

use fastrand::Rng;

/// An end that comes in the middle of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// What is not on the disk is gone, or torn.
    OfPower,
    /// What was written is there.
    OfProcess,
}

/// Something that fails, and nobody knows how much of it is done.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The number of the step, or of the sync.
    pub at: u64,
    pub only_syncs: bool,
    /// So does all that comes after it.
    pub for_good: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// At the step with this number.
    pub dies: Option<(u64, Death)>,
    pub refuses: Option<Refusal>,
    /// Bytes of a file beyond which the disk is full; growth fails, always or half of the times.
    pub full: Option<(u64, bool)>,
    /// The process has no more descriptors, most of the times when a file grows.
    pub no_descriptors: bool,
    /// There is no way past the cache, as is seen at the opening or at the first write.
    pub cached_only: Option<bool>,
    /// In a hundred syncs and writes past the cache, how many are forgotten.
    pub forgets: u8,
    /// In a hundred chores beside, how many are not run at all.
    pub declines: u8,
}

impl Faults {
    /// `lies`: the disk may forget what it said that it had.
    pub fn draw(rng: &mut Rng, limit: u64, lies: bool) -> Self {
        let mut faults = Self { declines: [0, 20, 100][rng.usize(..3)], ..Self::default() };
        // Many ends are near the opening, where there are other steps than later.
        let step = |rng: &mut Rng| if rng.u8(..4) == 0 { rng.u64(..12) } else { rng.u64(12..90) };
        match rng.u8(..10) {
            0..4 => faults.dies = Some((step(rng), Death::OfPower)),
            4..6 => faults.dies = Some((step(rng), Death::OfProcess)),
            6 => {
                let only_syncs = rng.bool();
                let at = if only_syncs { rng.u64(1..10) } else { step(rng) };
                faults.refuses = Some(Refusal { at, only_syncs, for_good: rng.u8(..3) == 0 });
            }
            7 => faults.no_descriptors = true,
            8 => faults.full = Some((rng.u64(0..limit), rng.bool())),
            _ => {}
        }
        if rng.u8(..3) == 0 {
            faults.cached_only = Some(rng.bool());
        }
        if lies && rng.bool() {
            faults.forgets = rng.u8(1..30);
        }
        faults
    }
}
