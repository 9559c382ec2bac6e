//! Runs the targets with libFuzzer: `FUZZ_TARGET=head fuzz corpus-folder...`.
//! `scripts/fuzz` builds and runs it.

#![no_main]

use rgunicorn_fuzz::Target;
use std::sync::OnceLock;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
        let target = Target::named(&name).unwrap_or_else(|| panic!("there is no target {name}"));
        TARGET.set(target).ok();
    },
    |bytes: &[u8]| {
        (TARGET.get().expect("it was chosen").check)(bytes);
    }
);
