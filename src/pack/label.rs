//! What a pack says of itself: a small file at its root, in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where the label lies in a pack.
pub const NAME: &str = "rgunicorn.json";

/// The name, the versions and the settings of a pack.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Label {
    /// The project's name, where it states one: the folder's would make packs
    /// of the same files differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The project's version, where it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of the rgunicorn that made the pack.
    pub rgunicorn: String,
    /// The Python that its compiled modules are for, such as `3.13.5`.
    pub python: String,
    /// Settings by name that hold where nothing else gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}
