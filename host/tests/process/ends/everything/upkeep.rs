//! Upkeep: backups one after the other, and modules that come and go.

use std::path::Path;
use std::process::Command;

use kinora_tests::{Api, Handwritten, Program};
use serde_json::json;

use super::life::Life;

/// Modules that are kept at once.
const MODULES: usize = 8;

#[derive(Default)]
pub struct Backups {
    last: Option<u64>,
}

impl Backups {
    pub async fn live(&mut self, life: &Life) {
        while let Some(answer) = life.post("backups", json!({"keep": 2})).await {
            assert!([201, 503].contains(&answer.status), "{answer:?}");
            self.last = answer.body["number"].as_u64().or(self.last);
        }
    }

    /// The last one that was acknowledged is there, and what is restored from the newest one is sound.
    pub async fn check(&self, api: &Api, folder: &Path, scratch: &Path) {
        let Some(last) = self.last else { return };
        let listed = api.get("backups").await.body;
        let newest = listed["backups"].as_array().unwrap().iter().filter_map(|backup| backup["number"].as_u64()).max();
        assert!(newest >= Some(last), "{last} is not in {listed}");
        let (from, to) = (folder.to_str().unwrap(), scratch.to_str().unwrap());
        for arguments in [&["backup", "restore", "--from", from, "--data", to][..], &["log", "verify", "--data", to]] {
            let output = Command::new(Program::path()).args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[derive(Default)]
pub struct Uploads {
    next: u64,
    /// Digests that are certainly there, and those that certainly are not.
    there: Vec<String>,
    gone: Vec<String>,
}

impl Uploads {
    pub async fn live(&mut self, life: &Life) {
        while self.step(life).await.is_some() {}
    }

    async fn step(&mut self, life: &Life) -> Option<()> {
        if self.there.len() > MODULES {
            let digest = self.there.remove(0);
            if life.delete(&format!("modules/{digest}")).await?.status == 204 {
                self.gone.push(digest);
            }
            return Some(());
        }
        let more = format!("(func (result i32) (i32.const {}))", self.next);
        self.next += 1;
        let module = Handwritten { more, ..Handwritten::default() }.module();
        let answer = life.upload(module).await?;
        if answer.status < 300 {
            self.there.push(answer.body["digest"].as_str().unwrap().to_owned());
        }
        Some(())
    }

    pub async fn check(&self, api: &Api) {
        for digest in &self.there {
            api.until(&format!("modules/{digest}"), |module| module["state"] == "ready").await;
        }
        for digest in &self.gone {
            assert_eq!(api.get(&format!("modules/{digest}")).await.status, 404, "{digest}");
        }
    }
}
