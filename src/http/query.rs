//! Numbers and switches of a query; what is wrong with one is said by its name.

use super::reply::Problem;

/// A whole number of at least `least`.
pub(super) fn number(name: &str, value: Option<&str>, least: u64) -> Result<Option<u64>, Problem> {
    let Some(text) = value else { return Ok(None) };
    match text.parse() {
        Ok(number) if number >= least => Ok(Some(number)),
        _ => Err(Problem::bad_request(format!("`{name}` is `{text}`, and must be a whole number from {least} on"))),
    }
}

/// `true` or `false`.
pub(super) fn switch(name: &str, value: Option<&str>) -> Result<Option<bool>, Problem> {
    match value {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(Problem::bad_request(format!("`{name}` is `{other}`, and must be `true` or `false`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        assert_eq!(number("from", Some("7"), 1).unwrap(), Some(7));
        assert_eq!(number("from", None, 1).unwrap(), None);
        for bad in ["0", "-1", "", "1.5", "1e3", "99999999999999999999", "one"] {
            let problem = number("from", Some(bad), 1).unwrap_err();
            assert!(problem.message.starts_with("`from`"), "{}", problem.message);
        }
        assert!(switch("regex", Some("yes")).unwrap_err().message.contains("`regex` is `yes`"));
    }
}
