use kinora_sdk::{Event, Fault, Manifest, Projector, Rows, export_projector};

struct Flights;

impl Projector for Flights {
    fn describe() -> Manifest {
        Manifest::new("flights")
    }

    fn apply(&mut self, event: &Event<'_>, _rows: &mut Rows) -> Result<(), Fault> {
        Err(event.unhandled())
    }
}

export_projector!(Flights);

fn main() {}
