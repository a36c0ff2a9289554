//! The traits behind `export_projector!` and `export_upcaster!`. They are there for any target, so that a mistake shows
//! in native builds, too.

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
