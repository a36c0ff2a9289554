//! Settings: by options, by the environment and by a file; read again while a host runs; and profiles of hosts.

use std::collections::BTreeMap;
use std::fs::write;
use std::path::Path;
use std::process::Command;

use kinora_tests::{Host, Program, builder, module, until};
use serde_json::{Value, json};

/// What a command says: its exit code, stdout and stderr.
fn kinora(environment: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(Program::path());
    let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
    let [said, noted] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), said, noted)
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// Value and source of each setting.
fn config(environment: &[(&str, &str)], arguments: &[&str]) -> BTreeMap<String, (Value, String)> {
    let (code, said, noted) = kinora(environment, &[&["config", "-o", "json"], arguments].concat());
    assert_eq!(code, 0, "{said}{noted}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let settings = said["settings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    settings.map(|one| (text(&one["name"]), (one["value"].clone(), text(&one["source"])))).collect()
}

#[test]
fn options_go_before_the_environment_and_that_before_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "kinora.toml");
    let text = "data = \"/of-file\"\nlisten = \"127.0.0.1:1\"\nkeep-requests = 1\npaused = true\n\
                [limits.sandbox]\nevent_fuel = 1000\nkey_bytes = \"2K\"\nvalue_bytes = 3000\n";
    write(&file, text).unwrap();
    let environment = [
        ("KINORA_CONFIG", file.as_str()),
        ("KINORA_LISTEN", "127.0.0.1:2"),
        ("KINORA_KEEP_REQUESTS", "2"),
        ("KINORA_LIMITS", "sandbox.event_fuel=2000,sandbox.key_bytes=4K,http.connections=7"),
    ];
    let found = config(&environment, &["--keep-requests", "3", "--limit", "sandbox.event_fuel=3000"]);
    for (name, value, source) in [
        ("data", "/of-file", file.as_str()),
        ("listen", "127.0.0.1:2", "KINORA_LISTEN"),
        ("keep-requests", "3", "--keep-requests"),
        ("paused", "true", &file),
        ("authenticate", "false", "default"),
        ("durability", "sync", "default"),
        ("sandbox.event_fuel", "3000", "--limit"),
        ("sandbox.key_bytes", "4096", "KINORA_LIMITS"),
        ("http.connections", "7", "KINORA_LIMITS"),
        ("sandbox.value_bytes", "3000", &file),
        ("log.event_tags", "32", "default"),
    ] {
        assert_eq!(found[name], (value.into(), source.to_owned()), "{name}");
    }
    assert_eq!(found["backups"], (Value::Null, "default".to_owned()));
    // Without a folder, too: somebody wants to see what a file says.
    assert_eq!(config(&[], &[])["data"], (Value::Null, "default".to_owned()));
}

#[test]
fn a_file_that_does_not_hold_up_keeps_a_host_from_starting_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (path(dir.path(), "kinora.toml"), path(dir.path(), "data"));
    for (text, expected) in [
        ("\nlisten = true", "line 2: listen: it is a text or a number"),
        ("speed = 3", "line 1: speed: there is no such setting; there are data, listen"),
        ("listen = \"here\"", "invalid value 'here' for '--listen"),
        ("[limits.sandbox]\nspeed = 3", "there is no limit \"sandbox.speed\""),
        ("insecure = true\nauthenticate = true", "cannot be used with"),
    ] {
        write(&file, text).unwrap();
        let (code, said, noted) = kinora(&[], &["serve", "--data", &data, "--config", &file]);
        assert!(code != 0 && said.is_empty() && noted.contains(expected), "{text}: {code} {said}{noted}");
        assert!(noted.contains("kinora.toml") || text.contains("limits"), "{text}: {noted}");
    }
    let (code, _, noted) = kinora(&[], &["serve", "--data", &data, "--config", "/nowhere.toml"]);
    assert!(code != 0 && noted.contains("/nowhere.toml cannot be read"), "{noted}");
    assert!(!Path::new(&data).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_running_host_reads_its_settings_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "kinora.toml");
    write(&file, "[limits.http]\nconnections = 100\n").unwrap();
    let mut command = Program::command(&dir.path().join("data"));
    command.args(["--config", &file, "--log-format", "json", "--log", "info"]);
    let host = Program::start_command(command);
    let connections = async || host.api().get("limits").await.body["http"]["connections"].clone();
    assert_eq!(connections().await, 100);
    let settings = host.api().get("settings").await.body;
    let told = json!({"name": "http.connections", "value": "100", "source": file});
    assert!(settings["settings"].as_array().unwrap().contains(&told), "{settings}");
    let page = builder().build().unwrap().get(format!("{}/console/system", host.url)).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("<code>log-format</code>") && page.contains(&file), "{page}");
    let again = |text: &str| {
        write(&file, text).unwrap();
        let sent = Command::new("kill").args(["-HUP", &host.process_id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    let says = async |words: &str| {
        until(words, async || host.said().iter().any(|line| line.contains(words))).await;
    };
    again("paused = true\n[limits.http]\nconnections = 200\n[limits.sandbox]\nevent_fuel = 1000\n");
    says("\"later\":\"paused, sandbox.event_fuel\"").await;
    assert_eq!(connections().await, 200);
    again("[limits.http]\nconnections = \"many\"\n");
    says("settings stay as they are").await;
    assert_eq!(connections().await, 200);
    again("[limits.http]\nconnections = 300\n");
    says("\"message\":\"settings have been read again\"").await;
    assert_eq!(connections().await, 300);
    for line in host.said() {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_stands_for_the_options_of_a_host() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("data"));
    host.api().upload(module("tally")).await;
    let file = path(dir.path(), "profiles.toml");
    write(&file, format!("[near]\nurl = \"{}\"\noutput = \"csv\"\n[far]\nurl = \"http://127.0.0.1:1\"\n", host.url))
        .unwrap();
    let far = [("KINORA_PROFILES", file.as_str()), ("KINORA_URL", "http://127.0.0.1:1")];
    // What is asked for goes before the environment, as an option does.
    let (code, said, noted) = kinora(&far, &["--profile", "near", "modules", "list"]);
    assert!(code == 0 && said.starts_with("module,kind,name,"), "{code} {said}{noted}");
    let (code, said, noted) = kinora(&far, &["--profile", "near", "modules", "list", "-o", "json"]);
    assert!(code == 0 && said.starts_with('{'), "{code} {said}{noted}");
    // A profile of the environment goes behind what else is there.
    let environment = [far[0], far[1], ("KINORA_PROFILE", "near")];
    assert_eq!(kinora(&environment, &["status"]).0, 4);
    assert_eq!(kinora(&environment, &["status", "--url", &host.url]).0, 0);
    let (code, _, noted) = kinora(&far, &["--profile", "nobody", "status"]);
    assert!(code == 1 && noted.contains("there is no profile \"nobody\": near, far"), "{code} {noted}");
}
