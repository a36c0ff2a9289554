//! Seeds: what a test draws by chance, it draws again when it is told the seed.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::FileFailurePersistence;

/// The configuration of a property: so many random cases, after those that failed once, which are kept beside the test
/// in a file with this ending.
pub fn property(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// Numbers that follow from a seed (SplitMix64). A test that fails shows the seed in its output.
pub struct Seed(u64);

impl Seed {
    /// Numbers of their own, for somebody who draws beside others.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// That of the variable `KINORA_SEED`, or a new one.
    pub fn from_environment() -> Self {
        let given = std::env::var("KINORA_SEED").ok();
        let seed = given.map_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0, |seed| seed.parse().expect("a number"));
        println!("drawn with KINORA_SEED={seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `0` on and below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}
