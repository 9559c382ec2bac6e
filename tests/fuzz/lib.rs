//! Properties of the parsers that must be true for any bytes: no panic, and what each
//! target states. `cargo test --test fuzzing` tries a few thousand inputs; with
//! `scripts/fuzz`, libFuzzer looks for inputs that break them.

#[allow(dead_code, unused_imports, reason = "the server uses more of it")]
#[path = "../../src/http/mod.rs"]
mod http;
#[allow(dead_code, unused_imports, reason = "the server uses more of it")]
#[path = "../../src/http2/mod.rs"]
mod http2;
#[path = "../../src/pack/appended.rs"]
mod packed;
#[path = "../../src/system/lock.rs"]
mod system;
#[allow(dead_code, unused_imports, reason = "the server uses more of it")]
#[path = "../../src/websocket/mod.rs"]
mod websocket;

mod appended;
mod chunked;
mod head;
#[path = "http2.rs"]
mod http2_session;
mod pieces;
mod proxy;
mod response;
mod websocket_frames;

/// The folder with a folder of inputs for each target.
pub const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

/// Code to be fuzzed.
pub struct Target {
    /// As `scripts/fuzz` and the corpus call it.
    pub name: &'static str,
    /// Panics if a property is not true.
    pub check: fn(&[u8]),
}

/// Everything that is fuzzed.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "head",
        check: head::check,
    },
    Target {
        name: "chunked",
        check: chunked::check,
    },
    Target {
        name: "proxy",
        check: proxy::check,
    },
    Target {
        name: "response",
        check: response::check,
    },
    Target {
        name: "appended",
        check: appended::check,
    },
    Target {
        name: "websocket",
        check: websocket_frames::check,
    },
    Target {
        name: "http2",
        check: http2_session::check,
    },
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
