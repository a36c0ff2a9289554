//! Limits of deciders.

/// What the lanes of one version may hold.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Instances of a version that decide side by side; 0: as many as fit the machine.
    pub lanes: usize,
    /// Commands that wait for one of them. Beyond it one is refused at once.
    pub lane_commands: usize,
    /// States that one of them keeps. What is beyond it is folded anew when it is needed.
    pub lane_states: usize,
    /// Events from which on a state is kept as a snapshot, and then again after as many more.
    pub snapshot_events: u64,
    /// How often a command is decided again, since others have changed what it was decided on.
    pub attempts: u32,
    /// Scopes that one command may be decided on.
    pub scopes: usize,
    /// Rejected commands that are kept of a decider, to be looked at and to be decided again by other versions.
    pub rejected_commands: usize,
    /// Bytes that they may have.
    pub rejected_bytes: usize,
    /// Seconds that one is kept.
    pub rejected_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lanes: 0,
            lane_commands: 4_096,
            lane_states: 100_000,
            snapshot_events: 1_000,
            attempts: 16,
            scopes: 64,
            rejected_commands: 1_000,
            rejected_bytes: 4 << 20,
            rejected_seconds: 86_400,
        }
    }
}

impl Limits {
    /// Instances of a version that decide side by side.
    pub fn instances(&self) -> usize {
        if self.lanes > 0 {
            return self.lanes;
        }
        // The other half of the cores is busy with what leads to a decision, and comes of it. Never one alone, so that
        // a command that takes its time does not hold up all others.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (cores / 2).clamp(2, 8)
    }
}
