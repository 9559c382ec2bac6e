//! Requests and replies.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The reply has the same.
    #[serde(default)]
    pub id: Value,
    pub command: String,
    #[serde(default)]
    pub args: Vec<Value>,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct Reply {
    pub id: Value,
    /// The data, or a sentence that says why there are none.
    pub result: Result<Value, String>,
}

/// A reply as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default)]
    id: Value,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Request {
    pub fn new<'a>(id: u64, command: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            id: id.into(),
            command: command.to_owned(),
            args: args.into_iter().map(Value::from).collect(),
        }
    }

    /// The argument at this place as text, if there is one. Numbers are text,
    /// too.
    pub fn arg(&self, place: usize) -> Option<String> {
        match self.args.get(place)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }
}

impl Reply {
    pub fn error(id: impl Into<Value>, error: &str) -> Self {
        Self {
            id: id.into(),
            result: Err(error.to_owned()),
        }
    }
}

impl From<Reply> for Written {
    fn from(reply: Reply) -> Self {
        let (data, error) = match reply.result {
            Ok(data) => (Some(data), None),
            Err(error) => (None, Some(error)),
        };
        let status = if error.is_none() { "ok" } else { "error" };
        Self {
            id: reply.id,
            status: status.to_owned(),
            data,
            error,
        }
    }
}

impl From<Written> for Reply {
    fn from(written: Written) -> Self {
        let error = written.error.unwrap_or_default();
        Self {
            id: written.id,
            result: match &*written.status {
                "ok" => Ok(written.data.unwrap_or_default()),
                _ => Err(error),
            },
        }
    }
}
