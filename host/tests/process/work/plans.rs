//! Plans: a host becomes what a file says, step by step, and once.

use std::path::Path;

use kinora_tests::{Program, module_path};
use serde_json::json;

use crate::cli::kinora;

const PENDING: i32 = 7;

fn write(file: &Path, retain: u32, more: &str) {
    let [tally, upcaster, counters] =
        ["tally", "renaming", "counters"].map(|name| module_path(name).display().to_string());
    let text = format!(
        "[projection.counts]\nmodule = '{tally}'\nupcasters = ['{upcaster}']\npromote = 'when_ready'\n\
         retain = {retain}\n[projection.counts.gates]\nmax_lag = 100\n\
         [decider.counters]\nmodule = '{counters}'\npromote = 'when_ready'\n{more}"
    );
    std::fs::write(file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_made_as_a_file_says_and_then_there_is_nothing_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(&dir.path().join("data"));
    let file = dir.path().join("kinora.toml");
    let of_file = |command: &str| kinora(&host, &[command, file.to_str().unwrap()]);
    write(&file, 2, "");
    let (code, planned, noted) = of_file("plan");
    assert_eq!(code, PENDING, "{planned}{noted}");
    for line in
        ["projection counts", "+ module     ", "+ upcaster   ", "~ retain     what is usual -> 2", "decider counters"]
    {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    assert!(noted.contains("changes are pending"), "{noted}");
    assert_eq!(host.api().get("projections").await.body["projections"], json!([]), "it changes nothing");

    let (code, done, noted) = of_file("apply");
    assert_eq!(code, 0, "{done}{noted}");
    assert!(
        done.contains("projection counts version 1: live") && done.contains("decider counters version 1: live"),
        "{done}"
    );
    let counts = host.api().get("projections/counts").await.body;
    assert_eq!((&counts["live"], &counts["retain"]), (&json!(1), &json!(2)), "{counts}");
    assert_eq!(host.api().get("deciders/counters").await.body["live"], 1);
    for command in ["plan", "apply"] {
        let (code, done, noted) = of_file(command);
        assert!(code == 0 && done.is_empty() && noted.contains("nothing to change"), "{command}: {done}{noted}");
    }

    // A setting, and what is there and not in the file.
    let aside = module_path("tally").display().to_string();
    assert_eq!(kinora(&host, &["deploy", "aside", "--module", &aside, "--wait"]).0, 0);
    write(&file, 3, "");
    let (code, planned, noted) = of_file("plan");
    assert_eq!((code, planned.as_str()), (PENDING, "projection counts\n  ~ retain     2 -> 3\n"), "{noted}");
    assert!(noted.contains("projection aside is there, and not in the file"), "{noted}");
    assert_eq!(of_file("apply").0, 0);
    // Another module.
    let text = std::fs::read_to_string(&file).unwrap().replace("upcasters", "# upcasters");
    std::fs::write(&file, text).unwrap();
    let (code, planned, _) = of_file("plan");
    assert!(
        code == PENDING && planned.contains("- upcaster   ") && planned.contains("a version from 2 on"),
        "{planned}"
    );
    let (code, done, noted) = of_file("apply");
    assert_eq!(code, 0, "{done}{noted}");
    assert_eq!(host.api().get("projections/counts").await.body["live"], 2);
}

#[test]
fn a_file_that_is_none_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(&dir.path().join("data"));
    let file = dir.path().join("kinora.toml");
    for (text, why) in [
        ("", "names nothing"),
        ("[projection.a]\nmodul = 'a.wasm'\n", "unknown field `modul`"),
        ("[projection.a]\nmodule = 'nowhere.wasm'\n", "there is no file"),
        ("[projection.a\n", "is no plan"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in ["plan", "apply"] {
            let (code, said, noted) = kinora(&host, &[command, file.to_str().unwrap()]);
            assert!(code == 1 && said.is_empty() && noted.contains(why), "{text:?}: {code} {said}{noted}");
        }
    }
    let (code, _, noted) = kinora(&host, &["plan", "nowhere.toml"]);
    assert!(code == 1 && noted.contains("cannot read nowhere.toml"), "{noted}");
}
