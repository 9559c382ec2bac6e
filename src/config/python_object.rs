//! Settings whose values only the interpreter can hold.

use super::value::{FromValue, ToValue, Value};

/// A function of the config file that is called when something happens. Only its
/// name is here, to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook(Option<String>);

impl FromValue for Hook {
    // The config file's reader has found that it is a function.
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(name) => Ok(Self(Some(name))),
            other => Err(format!("{other} is not a function")),
        }
    }
}

impl ToValue for Hook {
    fn to_value(&self) -> Value {
        let name = self.0.clone();
        name.map_or(Value::None, Value::Object)
    }
}

/// A dict that stays in the interpreter, because it may hold anything. Only its
/// text is here, to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonDict(Option<String>);

impl PythonDict {
    /// True unless it is empty.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

impl FromValue for PythonDict {
    /// Takes a dict.
    fn from_value(value: Value) -> Result<Self, String> {
        match &value {
            Value::Dict(entries) if entries.is_empty() => Ok(Self(None)),
            Value::Dict(_) => Ok(Self(Some(value.to_string()))),
            other => Err(format!("{other} is not a dict")),
        }
    }
}

impl ToValue for PythonDict {
    fn to_value(&self) -> Value {
        match &self.0 {
            None => Value::Dict(Vec::new()),
            Some(text) => Value::Object(text.clone()),
        }
    }
}
