use kinora_sdk::{Event, Fault, Manifest, Projector, Rows, Steps, Upcaster};

#[derive(Default)]
struct Flights;

impl Projector for Flights {
    fn describe() -> Manifest {
        Manifest::new("flights")
    }

    fn apply(&mut self, event: &Event<'_>, _rows: &mut Rows) -> Result<(), Fault> {
        Err(event.unhandled())
    }
}

struct Names;

impl Upcaster for Names {
    fn describe() -> Steps {
        Steps::new("names")
    }
}

mod projector {
    kinora_sdk::export_projector!(super::Names);
}

mod upcaster {
    kinora_sdk::export_upcaster!(crate::Flights);
}

fn main() {}
