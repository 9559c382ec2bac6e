//! Headless Chromium, if it is installed, steered through pipes by its DevTools
//! protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use super::{DEADLINE, wait_until};

/// A browser with one page; killed when dropped.
pub struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    problems: Vec<String>,
}

impl Browser {
    /// Starts it with its files in `folder`. If there is no Chromium, it prints a note
    /// and returns `None`.
    pub fn start(folder: &Path) -> Option<Self> {
        Self::start_with(folder, &[])
    }

    /// The same with more options of Chromium.
    pub fn start_with(folder: &Path, options: &[&str]) -> Option<Self> {
        if !Path::new("/usr/bin/chromium").exists() {
            eprintln!("skipped: chromium is not installed");
            return None;
        }
        // It reads commands from descriptor 3, and writes to 4. Root has no sandbox.
        let script = "exec /usr/bin/chromium --headless --no-sandbox --disable-gpu \
             --disable-dev-shm-usage --no-first-run --remote-debugging-pipe \
             --user-data-dir=\"$0\" \"$@\" about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(folder)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while output
                .read_until(0, &mut bytes)
                .is_ok_and(|count| count > 0)
            {
                let message = serde_json::from_slice(&bytes[..bytes.len() - 1]);
                bytes.clear();
                if sender.send(message.unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            process,
            input,
            messages,
            session: None,
            last: 0,
            problems: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Goes to a page, and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression of JavaScript in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let arguments = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true
        });
        let answer = self.call("Runtime.evaluate", arguments);
        let error = answer.get("exceptionDetails");
        assert!(error.is_none(), "{expression}: {error:?}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        wait_until(expression, || self.value(expression) == true);
    }

    /// Sets the size of the window in pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Presses and releases a key, such as `Escape`.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// What stands in the console so far: errors, warnings, violations of the policy.
    pub fn problems(&mut self) -> &[String] {
        // All messages before this answer have come then.
        self.value("0");
        &self.problems
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        write!(self.input, "{command}\0").unwrap();
        self.input.flush().unwrap();
        loop {
            let message = self.messages.recv_timeout(DEADLINE).expect(method);
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            let kind = message["method"].as_str().unwrap_or_default();
            if [
                "Log.entryAdded",
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
            ]
            .contains(&kind)
            {
                self.problems.push(message["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The shell has become the browser, which ends its own children.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
