use serde_json::Value;

/// The one text of a JSON value: keys sorted by their code points, no white space, numbers as `serde_json` writes them.
///
/// Two programs that hold the same value get the same bytes, so the digest of this text can be a name.
pub fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            text.push('{');
            for (place, (key, value)) in members.into_iter().enumerate() {
                if 0 < place {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if 0 < place {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_keys_and_white_space_do_not_matter() {
        let one: Value = serde_json::from_str("{ \"b\": [1, 2.5, null], \"a\": {\"z\": \"\\n\", \"y\": true} }").unwrap();
        assert_eq!(canonical_text(&one), r#"{"a":{"y":true,"z":"\n"},"b":[1,2.5,null]}"#);
        assert_eq!(canonical_text(&json!({"a": {"y": true, "z": "\n"}, "b": [1, 2.5, null]})), canonical_text(&one));
    }
}
