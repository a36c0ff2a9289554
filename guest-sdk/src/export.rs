//! The traits behind `export_projector!`, `export_upcaster!` and `export_decider!`. They are there for any target, so
//! that a mistake shows in native builds, too.

use crate::decider::Decider;
use crate::projector::Projector;
use crate::upcaster::Upcaster;

/// The component of a crate that has a projector.
pub trait ProjectorComponent {
    type Projector: Projector;
}

/// The component of a crate that has an upcaster.
pub trait UpcasterComponent {
    type Upcaster: Upcaster;
}

/// The component of a crate that has a decider.
pub trait DeciderComponent {
    type Decider: Decider;
}
