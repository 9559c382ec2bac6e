//! The texts of the licences, each once.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as Written};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The texts by content, each with those who use it.
#[derive(Default)]
pub struct Texts(BTreeMap<String, Vec<String>>);

impl Texts {
    /// Adds the text in a file.
    pub fn add(&mut self, user: &str, file: &Path) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("the licence {}", file.display()))?;
        self.insert(user, &bytes);
        Ok(())
    }

    /// Adds a text.
    pub fn insert(&mut self, user: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        let users = self.0.entry(text).or_default();
        if users.last().is_none_or(|last| last != user) {
            users.push(user.to_owned());
        }
    }
}

impl Display for Texts {
    fn fmt(&self, to: &mut Formatter<'_>) -> Written {
        let line = "=".repeat(78);
        for (text, users) in &self.0 {
            writeln!(to, "\n{line}\n{}\n{line}\n\n{text}", users.join(", "))?;
        }
        Ok(())
    }
}
