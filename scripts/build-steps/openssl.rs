//! OpenSSL, for Python's modules `ssl` and `hashlib`. The crate `openssl-src` has its source.
//!
//! The crate's own build is not used: it puts the folder of the build into the library, so
//! that no two builds are the same, and it builds what nothing here can call. It is built in a
//! copy of its source, since it also puts the path to its source into the library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::Result;

use crate::cache::{Cache, Key};
use crate::libraries::{compiler, copy_tree, versions};

/// The folders are those of Debian: the host's certificates are looked for below /etc/ssl.
/// What is left out are old ciphers, which Debian leaves out too; loading code at run time,
/// which would be the host's; and protocols that Python has no functions for.
const CHOICES: &str = "linux-x86_64 --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
    no-shared no-module no-dso no-engine no-tests no-apps no-docs \
    no-ssl3 no-md2 no-rc5 no-weak-ssl-ciphers no-camellia no-idea no-seed no-legacy \
    no-comp no-zlib \
    no-quic no-cmp no-cms no-ts no-ct no-srp no-rfc3779 no-http no-ui-console no-lms";

/// This file, on which the result depends.
pub const SCRIPT: &str = "scripts/build-steps/openssl.rs";

/// Build OpenSSL, or find it in the cache. The folder has `include/` and `lib/`.
pub fn build(cache: &Cache) -> Result<PathBuf> {
    let mut key = Key::new();
    key.tree(Path::new(SCRIPT))?;
    key.text(&versions()?);
    key.text(&compiler()?);
    cache.entry("openssl", key, |scratch, result| {
        let run = |command: &mut Command, what| {
            command
                .current_dir(scratch)
                .env("SOURCE_DATE_EPOCH", "0") // the date of the build is in the library
                .env("CC", "gcc");
            crate::run(command, what)
        };
        copy_tree(&openssl_src::source_dir(), scratch)?;
        run(
            Command::new("perl")
                .arg("Configure")
                .args(CHOICES.split_whitespace()),
            "configuring OpenSSL",
        )?;
        let mut make = Command::new("make");
        // The job slots of Cargo, with which it shares the processors.
        if let Some(flags) = env::var_os("CARGO_MAKEFLAGS") {
            make.env("MAKEFLAGS", flags);
        }
        run(make.args(["-s", "build_libs"]), "building OpenSSL")?;
        copy_tree(&scratch.join("include"), &result.join("include"))?;
        fs::create_dir_all(result.join("lib"))?;
        for name in ["libssl.a", "libcrypto.a"] {
            fs::copy(scratch.join(name), result.join("lib").join(name))?;
        }
        Ok(())
    })
}
