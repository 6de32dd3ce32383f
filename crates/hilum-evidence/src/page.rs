//! What the pages share.

/// The mark of a verdict or a state: form and colour, beside the word.
pub(crate) fn mark(word: &str) -> &'static str {
    match word {
        "pass" | "evidence" | "valid" | "active" => "good",
        "fail" | "missing" | "broken" | "suspended" => "bad",
        _ => "warn",
    }
}

/// Pieces of a sentence, each with whether it stood between backticks and is shown as code.
pub(crate) fn spans(text: &str) -> Vec<(bool, &str)> {
    let pieces = text.split('`').enumerate().map(|(n, piece)| (n % 2 == 1, piece));
    pieces.filter(|(_, piece)| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_code() {
        assert_eq!(spans("sign: `hilum x` now"), [(false, "sign: "), (true, "hilum x"), (false, " now")]);
        assert_eq!(spans("`a`"), [(true, "a")]);
        assert_eq!(spans(""), []);
    }
}
