//! The actor: who a command is done by, where nobody has said it.

use std::process::{Command, Stdio};

/// Whoever was named, or the user and the machine, such as `ada@laptop`. Never empty: the history keeps it for ever.
pub fn actor(named: Option<String>) -> String {
    let variable = |name: &&str| std::env::var(name).ok();
    named.and_then(said).unwrap_or_else(|| {
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variable(name).and_then(said));
        let user = user.or_else(|| answer("id", &["-un"])).unwrap_or_else(|| "somebody".to_owned());
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().and_then(said);
        let machine = machine.or_else(|| answer("hostname", &[])).unwrap_or_else(|| "somewhere".to_owned());
        format!("{user}@{machine}")
    })
}

/// A text that says something.
fn said(text: String) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a program of the system answers.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    said(String::from_utf8(output.stdout).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_named_is_taken_and_an_empty_name_is_none() {
        assert_eq!(actor(Some(" ci/build-812 ".into())), "ci/build-812");
        for empty in [None, Some(String::new()), Some("  ".into())] {
            let found = actor(empty);
            let (user, machine) = found.split_once('@').unwrap_or_default();
            assert!(!user.is_empty() && !machine.is_empty(), "{found}");
        }
    }
}
