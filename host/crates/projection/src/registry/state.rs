//! The state of a version, from what is remembered of it and from what its thread shows.

use crate::record::projection::ProjectionRecord;
use crate::record::state::State;
use crate::record::version::VersionRecord;
use crate::registry::version::Version;
use crate::replay::gauges::{Figures, Phase};

/// The state, and the figures that go with it.
pub fn state_of(version: &Version, record: &VersionRecord, projection: &ProjectionRecord) -> (Figures, State) {
    let figures = version.gauges().figures();
    let state = match figures.phase {
        _ if record.aborted => State::Aborted,
        _ if record.retired => State::Retired,
        _ if version.fault().is_some() => State::Faulted,
        _ if record.paused || version.is_held() => State::Paused,
        _ if !version.is_open() => State::Validating,
        // A version that serves goes on serving after a restart, while it catches up.
        Phase::CatchingUp | Phase::Ready if projection.live == Some(version.number) => State::Live,
        Phase::Validating => State::Validating,
        Phase::Replaying => State::Replaying,
        Phase::CatchingUp => State::CatchingUp,
        // Its thread is there, but how long it took is not written down yet: state and figures are of one moment.
        Phase::Ready if record.replayed_in_ms.is_none() => State::CatchingUp,
        Phase::Ready if record.was_live => State::Standby,
        Phase::Ready => State::Ready,
    };
    (figures, state)
}
