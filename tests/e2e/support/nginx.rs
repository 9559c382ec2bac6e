//! nginx in front of the server under test, if it is installed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{DEADLINE, Target};

/// A running nginx; killed when dropped.
pub struct Nginx {
    process: Child,
    pub target: Target,
}

/// Starts it in `folder` with these lines in its `http` block; `FRONT` is replaced by
/// the address that it listens on. If there is no nginx, it prints a note and returns
/// `None`.
pub fn start(folder: &Path, http: &str) -> Option<Nginx> {
    if !Path::new("/usr/sbin/nginx").exists() {
        eprintln!("skipped: nginx is not installed");
        return None;
    }
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let http = http.replace("FRONT", &address.to_string());
    let config = folder.join("nginx.conf");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()))
        .concat();
    let text = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
         events {{ worker_connections 512; }}
         http {{ access_log off; {temporary} {http} }}",
        folder.display(),
    );
    fs::write(&config, text).unwrap();
    let process = Command::new("/usr/sbin/nginx")
        .arg("-c")
        .arg(&config)
        .arg("-e")
        .arg(folder.join("error.log"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let nginx = Nginx {
        process,
        target: Target::Tcp(address),
    };
    let deadline = Instant::now() + DEADLINE;
    while nginx.target.connect().is_err() {
        let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "nginx does not listen: {log}");
        thread::sleep(Duration::from_millis(5));
    }
    Some(nginx)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
