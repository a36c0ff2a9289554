use kinora_sdk::{Steps, Upcaster, export_upcaster};

struct Names;

impl Upcaster for Names {
    fn describe() -> Steps {
        Steps::new("names")
    }
}

export_upcaster!(Names);
export_upcaster!(Names);

fn main() {}
