//! Images and containers of a test, if a Docker engine runs.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Finished, Process, Start, wait_until};

/// The user that containers run as: nobody.
pub const USER: u32 = 65534;

/// Whether an engine runs; if not, the test must return.
pub fn is_there() -> bool {
    let engine = std::process::Command::new("docker").arg("info").output();
    let runs = engine.is_ok_and(|told| told.status.success());
    if !runs {
        eprintln!("skipped: no Docker engine runs here");
    }
    runs
}

/// A command of the engine.
pub fn docker<const COUNT: usize>(args: [&str; COUNT]) -> Start {
    Start::program("docker", args)
}

/// A name that no other test uses.
pub fn name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("rgunicorn-test-{what}-{}-{nth}", std::process::id())
}

/// An image. It is removed when this is dropped.
pub struct Image {
    pub name: String,
}

impl Image {
    /// Imports a tar that has a file system.
    pub fn import(tar: &Path, change: &str) -> Self {
        let name = name("imported");
        docker(["import", "--change", change])
            .args([tar.as_os_str(), name.as_ref()])
            .run_slowly()
            .expect_success();
        Self { name }
    }

    /// Loads a tar that has an image, with a name from [`name`].
    pub fn load(tar: &Path) -> Self {
        let loaded = docker(["load", "-i"]).args([tar]).run_slowly();
        let told = loaded.expect_success().stdout;
        let name = told.trim().strip_prefix("Loaded image: ").expect(&told);
        Self {
            name: name.to_owned(),
        }
    }

    /// The command that runs it, with a read-only root and on the host's network. The
    /// program's own arguments are added to it.
    pub fn run(&self, options: &[&str], name: Option<&str>) -> Start {
        let name = name.map(|name| ["--name", name]);
        docker(["run", "--rm", "--read-only", "--network", "host"])
            .args(name.iter().flatten())
            .args(options)
            .args([&self.name])
    }

    pub fn start(&self, options: &[&str], args: &[&str]) -> Container {
        let name = name("container");
        let server = self.run(options, Some(&name)).args(args).spawn();
        Container { name, server }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(["rmi", "-f", &self.name]).run();
    }
}

/// A container. It is removed when this is dropped.
pub struct Container {
    pub name: String,
    pub server: Process,
}

impl Container {
    /// Runs the program in it, as the image's user.
    pub fn exec(&self, args: &[&str]) -> Finished {
        docker(["exec", &self.name, "rgunicorn"]).args(args).run()
    }

    /// Waits until the engine reports this health status.
    #[track_caller]
    pub fn wait_until_it_is(&self, health: &str) {
        let is_so = || {
            let told = docker(["inspect", "-f", "{{.State.Health.Status}}", &self.name]).run();
            told.stdout.trim() == health
        };
        wait_until(&format!("{} is {health}", self.name), is_so);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may have been removed already.
        docker(["rm", "-f", &self.name]).run();
    }
}
