//! The types behind `export_projector!` and `export_upcaster!`: whatever the target, so that a mistake shows in any build.

use crate::runtime::Projector;
use crate::upcast::Upcaster;

/// The component of a crate that has a projector.
pub trait ProjectorComponent {
    type Projector: Projector;
}

/// The component of a crate that has an upcaster.
pub trait UpcasterComponent {
    type Upcaster: Upcaster;
}
