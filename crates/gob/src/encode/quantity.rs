//! What gob keeps of a `resource.Quantity`: how it was written.

/// The format of a quantity's text, or `None` when it is none.
pub(super) fn format(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = number
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    if !digits.bytes().any(|b| b.is_ascii_digit()) || digits.matches('.').count() > 1 {
        return None;
    }
    Some(match suffix {
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" => "DecimalSI",
        "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => "BinarySI",
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if exponent.is_empty() || !exponent.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            "DecimalExponent"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn formats() {
        for (text, wanted) in [
            ("0", Some("DecimalSI")),
            ("100m", Some("DecimalSI")),
            ("1E", Some("DecimalSI")),
            ("64Mi", Some("BinarySI")),
            ("1.5Gi", Some("BinarySI")),
            ("1e3", Some("DecimalExponent")),
            ("-2E-6", Some("DecimalExponent")),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1x", None),
            ("1e", None),
            ("Mi", None),
        ] {
            assert_eq!(format(text), wanted, "{text}");
        }
    }
}
