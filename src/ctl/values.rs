//! Values on the command line, and how they go to the server.

/// A process id.
///
/// # Errors
/// It is none.
pub fn process_id(text: &str) -> Result<i32, &'static str> {
    match text.parse() {
        Ok(pid @ 1..) => Ok(pid),
        _ => Err("it is not a process id"),
    }
}

/// How the server is told of one worker, or of all.
pub fn one_or_all(worker: Option<i32>) -> String {
    worker.map_or_else(|| "all".to_owned(), |pid| pid.to_string())
}

/// A whole number.
///
/// # Errors
/// It is none, or is too large.
pub fn whole_number(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "it is not a whole number")
}

/// For how many seconds workers are looked at.
///
/// # Errors
/// It is no whole number, or the server refuses it.
pub fn seconds(text: &str) -> Result<u64, &'static str> {
    within(text, 300).ok_or("it is not a whole number from 1 to 300")
}

/// How many times a second.
///
/// # Errors
/// As above.
pub fn rate(text: &str) -> Result<u64, &'static str> {
    within(text, 1000).ok_or("it is not a whole number from 1 to 1000")
}

fn within(text: &str, most: u64) -> Option<u64> {
    let number = text.parse().ok()?;
    (1..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused() {
        assert_eq!(process_id("4712"), Ok(4712));
        for text in ["abc", "0", "-1", "99999999999", ""] {
            assert!(process_id(text).is_err(), "{text}");
        }
        assert_eq!(whole_number("3"), Ok(3));
        assert!(whole_number("three").is_err());
        assert_eq!((seconds("300"), rate("1000")), (Ok(300), Ok(1000)));
        assert!(seconds("301").is_err() && rate("0").is_err());
    }
}
