#[derive(Default)]
struct Accounts;

kinora_sdk::export_decider!(Accounts);

fn main() {}
