#[derive(Default)]
struct Flights;

kinora_sdk::export_projector!(Flights);

fn main() {}
