//! Features of dependencies: the program has those that the whole workspace has, or `make demo` would build anew what
//! `make test` has built, and the other way round.

use std::collections::BTreeSet;
use std::process::Command;

/// Dependencies with their versions and features, as Cargo would build them.
fn built(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn nothing_is_built_twice() {
    let all = built(&["--workspace", "--edges", "normal,build,dev"]);
    for packages in [["--package", "kinora"].as_slice(), &["--package", "kinora", "--package", "demo"]] {
        let alone = built(&[packages, &["--edges", "normal,build"]].concat());
        assert!(alone.len() > 100, "{}", alone.len());
        let twice: Vec<_> = alone.difference(&all).collect();
        assert!(twice.is_empty(), "{packages:?}: not the features of the whole workspace: {twice:#?}");
    }
}
