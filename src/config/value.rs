//! A setting's value in Python's types: what a config file gives, what a
//! checked setting is shown as, and what hooks see in `cfg`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::python::library;

/// A value of any setting, before it is checked or when it is shown.
///
/// Its text is the Python literal, as one writes it in a `gunicorn.conf.py`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Python's `None`: take the setting's "nothing".
    None,
    Str(String),
    /// Text that is not UTF-8, as a path may be.
    Raw(OsString),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Several values, of a setting that can be given more than once.
    List(Vec<Value>),
    /// Names and their values, in the order they were given.
    Dict(Vec<(String, Value)>),
    /// What only the interpreter can hold, such as a function or a class, by
    /// its name.
    Object(String),
}

impl Value {
    /// The value of a variable of the environment that is a switch. Another word
    /// stays as it is, and the setting's check refuses it.
    pub fn of_switch(text: OsString) -> Self {
        library::switch(&text).map_or_else(|| text.into(), Self::Bool)
    }

    /// The value as Python's `str()` has it: text without quotes.
    pub fn plain(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            Self::Raw(text) => text.display().to_string(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Str(text) => write!(f, "'{}'", escaped(text)),
            Self::Raw(text) => {
                f.write_str("'")?;
                for part in text.as_bytes().utf8_chunks() {
                    f.write_str(&escaped(part.valid()))?;
                    for byte in part.invalid() {
                        write!(f, "\\udc{byte:02x}")?;
                    }
                }
                f.write_str("'")
            }
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Value::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Dict(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(name, value)| format!("{}: {value}", Value::Str(name.clone())))
                    .collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
            Self::Object(name) => write!(f, "<{name}>"),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

impl From<OsString> for Value {
    fn from(text: OsString) -> Self {
        text.into_string().map_or_else(Self::Raw, Self::Str)
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::None,
            serde_json::Value::Bool(it) => Self::Bool(*it),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::Str(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                let entry = |(name, value): (&String, &_)| (name.clone(), Self::from(value));
                Self::Dict(entries.iter().map(entry).collect())
            }
        }
    }
}

/// A setting's type, as Python knows it.
pub trait ToValue {
    fn to_value(&self) -> Value;
}

/// A setting's type, as it is read.
pub trait FromValue: Sized {
    /// Checks a value; the error is the reason for refusing it.
    fn from_value(value: Value) -> Result<Self, String>;
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value {
        Value::Int((*self).into())
    }
}

impl ToValue for u64 {
    fn to_value(&self) -> Value {
        Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::Str(self.clone())
    }
}

impl ToValue for OsString {
    fn to_value(&self) -> Value {
        self.clone().into()
    }
}

impl ToValue for PathBuf {
    fn to_value(&self) -> Value {
        self.clone().into_os_string().into()
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::None, ToValue::to_value)
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ToValue> ToValue for Vec<(String, T)> {
    fn to_value(&self) -> Value {
        let entries = self.iter();
        Value::Dict(entries.map(|(k, v)| (k.clone(), v.to_value())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn values_are_written_as_python_literals() {
        let dict = vec![("a".to_owned(), "it's".to_owned())];
        for (value, literal) in [
            (Value::None, "None"),
            (false.to_value(), "False"),
            (7u32.to_value(), "7"),
            (Value::Float(1.0), "1.0"),
            (vec!["a\\".to_owned()].to_value(), r"['a\\']"),
            (dict.to_value(), r"{'a': 'it\'s'}"),
            (Value::Object("post_fork()".to_owned()), "<post_fork()>"),
        ] {
            assert_eq!(value.to_string(), literal);
        }
        assert_eq!(Value::Str("it's".to_owned()).plain(), "it's");
        let raw = Value::from(OsStr::from_bytes(b"/caf\xe9's").to_owned());
        assert_eq!(raw.to_string(), r"'/caf\udce9\'s'");
        assert_eq!(raw.plain(), "/caf\u{fffd}'s");
    }
}
