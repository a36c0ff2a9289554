//! Usage: how much of its limits a guest has used, at most.

/// The most that was used, each of the limit of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub table_elements: u64,
    /// Fuel of an event: the average of the dearest batch.
    pub event_fuel: u64,
    pub flush_fuel: u64,
    pub call_operations: u64,
    pub commit_bytes: u64,
    pub log_lines: u64,
}

impl Usage {
    /// The more of both.
    pub fn max(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            table_elements: self.table_elements.max(other.table_elements),
            event_fuel: self.event_fuel.max(other.event_fuel),
            flush_fuel: self.flush_fuel.max(other.flush_fuel),
            call_operations: self.call_operations.max(other.call_operations),
            commit_bytes: self.commit_bytes.max(other.commit_bytes),
            log_lines: self.log_lines.max(other.log_lines),
        }
    }
}
