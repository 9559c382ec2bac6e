//! A service is updated on a real engine, with the stack file that `rgunicorn init`
//! makes. Every request during the update gets an answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use crate::support::docker::{self, Image, docker};
use crate::support::{Start, folder, python_script, wait_until};

#[test]
fn a_rolling_update_loses_no_request() {
    if !docker::is_there() {
        return;
    }
    let Some(mut swarm) = Swarm::new() else {
        return;
    };
    let project = folder();
    let folder = project.path();
    let init = ["init", "wsgi"];
    Start::new(init).args([folder]).run().expect_success();
    let images = ["1", "2"].map(|version| image(folder, &swarm.name, version));
    let [first, second] = images.each_ref().map(|image| image.name.clone());
    swarm.images.extend(images);

    // The stack file names the project; here the images of each test have their own
    // names.
    let stack = fs::read_to_string(folder.join("deploy/stack.yaml")).unwrap();
    let line = stack.lines().find(|line| line.contains("image:")).unwrap();
    let named = format!("    image: {}:${{VERSION}}", swarm.name);
    let files = [
        ("stack.yaml", stack.replace(line, &named)),
        ("load.yaml", load(&first)),
    ];
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    swarm.deploy(folder, "1");
    swarm.wait_for_tasks(&first, 3);
    let seen = |text: &str| swarm.load().answers.get(text).copied().unwrap_or_default();
    wait_until("the first version is asked", || seen("version 1") > 100);

    swarm.deploy(folder, "2");
    for count in 1..=3 {
        swarm.wait_for_tasks(&second, count);
    }
    wait_until("the update is done", || swarm.update() == "completed");
    let before = seen("version 2");
    wait_until("the second version is asked", || {
        seen("version 2") > before + 100
    });
    let load = swarm.load();
    assert!(load.failures.is_empty(), "{load:?}");
    assert_eq!(load.answers.len(), 2, "{load:?}");
    eprintln!("{load:?}");
}

/// The image of this version of the project, which shows its version.
fn image(project: &Path, name: &str, version: &str) -> Image {
    let app = fs::read_to_string(project.join("app.py")).unwrap();
    let page = app.find("\"/\": \"").unwrap();
    let end = page + app[page..].find(',').unwrap();
    let app = format!(
        "{}\"/\": \"version {version}\"{}",
        &app[..page],
        &app[end..]
    );
    fs::write(project.join("app.py"), app).unwrap();
    let tar = project.join("dist.tar");
    let name = format!("{name}:{version}");
    Start::new(["pack", "--tag", &name, "--exclude", "*.tar", "--image"])
        .args([&tar])
        .cwd(project)
        .run()
        .expect_success();
    Image::load(&tar)
}

/// A service that sends requests to the other one. It finds it by the name of its
/// tasks, because an engine may have no routing mesh (which needs IPVS in the kernel).
fn load(image: &str) -> String {
    let script = fs::read_to_string(python_script("load.py")).unwrap();
    let service = json!({
        "image": image,
        "command": ["python", "-c", script.replace('$', "$$"), "tasks.web", "8000"],
        "healthcheck": {"disable": true},
        "stop_grace_period": "0s",
    });
    json!({"version": "3.8", "services": {"load": service}}).to_string()
}

/// The results of the requests so far.
#[derive(Debug, Default, Deserialize)]
struct Load {
    answers: BTreeMap<String, u64>,
    failures: Vec<String>,
}

/// A swarm of this engine alone, with a stack of this name. It is dissolved when this
/// is dropped.
struct Swarm {
    name: String,
    /// The images of its containers.
    images: Vec<Image>,
}

impl Swarm {
    /// `None` if the engine is in a swarm already; the test must return then.
    fn new() -> Option<Self> {
        let state = docker(["info", "--format", "{{.Swarm.LocalNodeState}}"]).run();
        if state.stdout.trim() != "inactive" {
            eprintln!("skipped: this engine is in a swarm");
            return None;
        }
        let name = docker::name("stack");
        docker(["swarm", "init", "--advertise-addr", "127.0.0.1"])
            .args(["--listen-addr", "127.0.0.1:2377"])
            .run()
            .expect_success();
        let images = Vec::new();
        Some(Self { name, images })
    }

    fn deploy(&self, folder: &Path, version: &str) {
        docker([
            "stack",
            "deploy",
            "-c",
            "stack.yaml",
            "-c",
            "load.yaml",
            &self.name,
        ])
        .env("VERSION", version)
        .env("PUBLISH", "0")
        .cwd(folder)
        .run()
        .expect_success();
    }

    /// Waits until so many healthy containers of this image run.
    #[track_caller]
    fn wait_for_tasks(&self, image: &str, count: usize) {
        let ancestor = format!("ancestor={image}");
        let label = format!("label=com.docker.swarm.service.name={}_web", self.name);
        let healthy = ["ps", "-q", "--filter", "health=healthy", "--filter"];
        wait_until(
            &format!("{count} containers of {image} are healthy"),
            || {
                let list = docker(healthy).args([&ancestor, "--filter", &label]).run();
                list.stdout.lines().count() >= count
            },
        );
    }

    fn update(&self) -> String {
        let service = format!("{}_web", self.name);
        let state = "{{.UpdateStatus.State}}";
        let told = docker(["service", "inspect", "--format", state, &service]).run();
        told.stdout.trim().to_owned()
    }

    /// The last report of the load service.
    fn load(&self) -> Load {
        let service = format!("{}_load", self.name);
        let told = docker(["service", "logs", "--raw", "--tail", "1", &service]).run();
        let line = told.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_default()
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        docker(["stack", "rm", &self.name]).run();
        // Then the images can be removed.
        let label = format!("label=com.docker.stack.namespace={}", self.name);
        wait_until("all containers of the stack are gone", || {
            let list = docker(["ps", "-aq", "--filter", &label]).run();
            list.stdout.is_empty()
        });
        docker(["swarm", "leave", "--force"]).run();
        // A bridge network that the engine made for the swarm.
        docker(["network", "rm", "docker_gwbridge"]).run();
    }
}
