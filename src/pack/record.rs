//! The file RECORD of an installed package: a list of its files, with hashes and sizes
//! (Python Packaging User Guide, "Recording installed projects"), in
//! comma-separated values (RFC 4180).

/// The rows: the path of a file, and the rest after its comma.
pub fn rows(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().filter_map(|row| match row.strip_prefix('"') {
        Some(quoted) => {
            let (path, rest) = quoted.split_once("\",")?;
            Some((path.replace("\"\"", "\""), rest))
        }
        None => row
            .split_once(',')
            .map(|(path, rest)| (path.to_owned(), rest)),
    })
}

/// A row that [`rows`] reads.
pub fn row(path: &str, rest: &str) -> String {
    match path.contains([',', '"']) {
        true => format!("\"{}\",{rest}\n", path.replace('"', "\"\"")),
        false => format!("{path},{rest}\n"),
    }
}
