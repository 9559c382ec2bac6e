//! Header fields as Python objects: pairs of bytes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use std::sync::Mutex;

use crate::system::lock;

/// Makes the pairs. Clients often send the same fields: a pair that was made
/// recently is used again.
pub struct FieldCache {
    slots: Mutex<Vec<Option<Slot>>>,
}

struct Slot {
    /// The name as the client has sent it.
    name: Box<[u8]>,
    value: Box<[u8]>,
    pair: Py<PyTuple>,
}

const SLOTS: usize = 512;

/// Longer values are not kept: they rarely repeat, and are often secret.
const LONGEST: usize = 160;

impl Default for FieldCache {
    fn default() -> FieldCache {
        FieldCache {
            slots: Mutex::new((0..SLOTS).map(|_| None).collect()),
        }
    }
}

impl FieldCache {
    /// The list of a scope: names in lower case, and values, in their order.
    pub fn list<'py, 'a>(
        &self,
        py: Python<'py>,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> PyResult<Bound<'py, PyList>> {
        let mut slots = lock(&self.slots);
        let list = PyList::empty(py);
        for (name, value) in fields {
            if value.len() > LONGEST || is_secret(name) {
                list.append(pair(py, name, value)?)?;
                continue;
            }
            let slot = &mut slots[index(name, value)];
            match slot {
                Some(slot) if *slot.name == *name && *slot.value == *value => {
                    list.append(slot.pair.bind(py))?;
                }
                _ => {
                    let pair = pair(py, name, value)?;
                    list.append(&pair)?;
                    *slot = Some(Slot {
                        name: name.into(),
                        value: value.into(),
                        pair: pair.unbind(),
                    });
                }
            }
        }
        Ok(list)
    }
}

fn pair<'py>(py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let name = PyBytes::new_with(py, name.len(), |lower| {
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Ok(())
    })?;
    PyTuple::new(py, [name, PyBytes::new(py, value)])
}

fn is_secret(name: &[u8]) -> bool {
    [&b"authorization"[..], b"cookie", b"proxy-authorization"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// FNV-1a over the ends of the name and the value, where they differ most.
fn index(name: &[u8], value: &[u8]) -> usize {
    let ends = |bytes: &[u8]| {
        let (mut front, mut back) = ([0; 8], [0; 8]);
        let length = bytes.len().min(8);
        front[..length].copy_from_slice(&bytes[..length]);
        back[..length].copy_from_slice(&bytes[bytes.len() - length..]);
        [
            u64::from_le_bytes(front),
            u64::from_le_bytes(back),
            bytes.len() as u64,
        ]
    };
    let words = ends(name).into_iter().chain(ends(value));
    let hash = words.fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23)
    });
    (hash >> 32) as usize % SLOTS
}
