//! The counts of requests as JSON: `{"GET": {"2xx": 7}}`, without zeros.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counters::{METHODS, STATUS_CLASSES};

type Table = [[u64; STATUS_CLASSES.len()]; METHODS.len()];

type Named = BTreeMap<String, BTreeMap<String, u64>>;

pub fn serialize<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    let mut named = Named::new();
    for (method, row) in METHODS.iter().zip(table) {
        for (class, count) in STATUS_CLASSES.iter().zip(row) {
            if *count > 0 {
                let of_method = named.entry((*method).to_owned()).or_default();
                of_method.insert((*class).to_owned(), *count);
            }
        }
    }
    named.serialize(serializer)
}

/// Names that are not known are left out: the server may be of another version.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    let named = Named::deserialize(deserializer)?;
    let count = |method: &str, class: &str| named.get(method)?.get(class).copied();
    Ok(METHODS.map(|method| STATUS_CLASSES.map(|class| count(method, class).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::super::Counters;
    use serde_json::json;

    #[test]
    fn a_table_is_found_again() {
        let mut counters = Counters::default();
        counters.requests[0] = [0, 3, 0, 1, 0, 0];
        let written = serde_json::to_value(&counters).unwrap();
        assert_eq!(written["requests"], json!({"GET": {"2xx": 3, "4xx": 1}}));
        let read: Counters = serde_json::from_value(written).unwrap();
        assert_eq!(read, counters);
    }
}
