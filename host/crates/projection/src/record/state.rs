//! The states of a version.

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its modules are being compiled, and checked against the log.
    Validating,
    /// It goes through history.
    Replaying,
    /// History is done, and flushed; it closes the gap to the head.
    CatchingUp,
    /// It has been at the head, and can be promoted.
    Ready,
    /// It answers queries.
    Live,
    /// It was live, and keeps projecting.
    Standby,
    Paused,
    /// It stopped at an event that it cannot handle. What came before is committed.
    Faulted,
    /// Its read model is gone.
    Retired,
    /// It was ended before it was ever live, and its read model is gone.
    Aborted,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Replaying => "replaying",
            Self::CatchingUp => "catching_up",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Standby => "standby",
            Self::Paused => "paused",
            Self::Faulted => "faulted",
            Self::Retired => "retired",
            Self::Aborted => "aborted",
        }
    }

    /// Whether its read model is gone for good.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Retired | Self::Aborted)
    }

    /// Whether it can answer queries as the live version.
    pub fn can_be_live(self) -> bool {
        matches!(self, Self::Ready | Self::Standby | Self::Live)
    }
}
