//! The messages that mistakes with the macros get. `TRYBUILD=overwrite` writes those of another compiler anew.

#[test]
fn mistakes_get_messages_that_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    // By name, because a pattern that matches nothing passes.
    let deciders = ["decider_mixed_up", "not_a_decider", "state_without_default"];
    for mistake in ["exported_twice", "mixed_up", "not_a_projector", "without_default"].iter().chain(&deciders) {
        cases.compile_fail(format!("tests/ui/{mistake}.rs"));
    }
}
