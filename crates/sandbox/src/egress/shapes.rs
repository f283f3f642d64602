//! The shapes that a secret takes on its way: in headers, addresses, forms, JSON and base64.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use url::{Url, form_urlencoded};

/// Shortest part of a value (the token after `Bearer`, the password inside of `Basic`) that is masked on its own, and shortest
/// value that is masked in base64: shorter ones are too likely to be part of something else.
const MIN_PART: usize = 4;

/// What a secret may look like where it is sent, and where servers send it back: as it is, without white space around it,
/// without the scheme of a header, a `Basic` one decoded; and each of these in base64, as in JSON, and as in addresses and
/// forms.
pub fn shapes(value: &str) -> Vec<String> {
    let mut shapes = Vec::new();
    for text in plain(value).into_iter().filter(|text| !text.is_empty()) {
        let json = serde_json::to_string(&text).unwrap_or_default();
        let json = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'))
            .unwrap_or_default();
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        shapes.extend([
            json.replace('/', "\\/"),
            json.to_owned(),
            encoded.replace('+', "%20"),
            encoded,
        ]);
        shapes.extend(in_address(&text));
        if text.len() >= MIN_PART {
            let alphabets = [
                &BASE64_STANDARD,
                &BASE64_STANDARD_NO_PAD,
                &BASE64_URL_SAFE,
                &BASE64_URL_SAFE_NO_PAD,
            ];
            shapes.extend(alphabets.map(|alphabet| alphabet.encode(&text)));
        }
        shapes.push(text);
    }
    shapes.retain(|shape| !shape.is_empty());
    shapes.sort_unstable();
    shapes.dedup();
    shapes
}

/// The value, and what is used of it.
fn plain(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    let mut plain = vec![value.to_owned(), trimmed.to_owned()];
    let Some((scheme, rest)) = trimmed.split_once(' ') else {
        return plain;
    };
    let rest = rest.trim();
    if rest.len() >= MIN_PART {
        plain.push(rest.to_owned());
    }
    let decoded = BASE64_STANDARD
        .decode(rest)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(decoded) = decoded.filter(|_| scheme.eq_ignore_ascii_case("basic")) {
        let password = decoded.split_once(':').map(|(_, password)| password);
        plain.extend(
            password
                .filter(|password| password.len() >= MIN_PART)
                .map(str::to_owned),
        );
        plain.push(decoded);
    }
    plain
}

/// As an address's own rules write it, which leave more as it is than those of forms.
fn in_address(text: &str) -> Vec<String> {
    let Ok(mut url) = Url::parse("http://shape.invalid/") else {
        return Vec::new();
    };
    url.set_query(Some(text));
    url.set_path(text);
    let path = url.path().trim_start_matches('/').to_owned();
    url.query().map(str::to_owned).into_iter().chain([path]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_shapes_of_a_header() {
        let bearer = shapes("Bearer to/k\"en\n");
        for shape in [
            "Bearer to/k\"en\n",
            "Bearer to/k\"en",
            "to/k\"en",
            "to/k\\\"en",
            "to\\/k\\\"en",
            "to%2Fk%22en",
            "to/k%22en",
            "dG8vayJlbg==",
            "dG8vayJlbg",
        ] {
            assert!(bearer.iter().any(|known| known == shape), "{shape} in {bearer:?}");
        }
        let basic = shapes(&format!("Basic {}", BASE64_STANDARD.encode("user:password")));
        for shape in ["user:password", "password", "dXNlcjpwYXNzd29yZA=="] {
            assert!(basic.iter().any(|known| known == shape), "{shape} in {basic:?}");
        }
        let short = shapes("Bearer ab");
        assert!(!short.iter().any(|shape| shape == "ab" || shape == "YWI"), "{short:?}");
        assert!(shapes("").is_empty());
    }
}
