//! The label of a pack: a small JSON file at its root that says what the pack is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::python::discover;

/// Where the label lies in a pack.
pub const NAME: &str = "rgunicorn.json";

/// The name, the versions and the settings of a pack.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Label {
    /// The project's name, if the project states one. The folder's name is not used, as
    /// packs of the same files must not differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The project's version, if the project states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of the rgunicorn that made the pack.
    #[serde(default)]
    pub rgunicorn: String,
    /// The Python that its compiled modules are for, such as `3.13.5`.
    #[serde(default)]
    pub python: String,
    /// Settings by name. They apply where nothing else gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

impl Label {
    /// The label in `root`, a folder or a zip. A pack that was made by hand has none
    /// and gets an empty one.
    ///
    /// # Errors
    /// The file is not a label.
    pub fn of(root: &Path) -> Result<Label> {
        let Some(text) = discover::read(root, NAME) else {
            return Ok(Label::default());
        };
        serde_json::from_str(&text).with_context(|| {
            format!(
                "The file {NAME} in {} is not what 'rgunicorn pack' writes; pack the site again",
                root.display()
            )
        })
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("text and numbers can be written");
        text.push(b'\n');
        text
    }
}
