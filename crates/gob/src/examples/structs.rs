//! Structs, and how their types are defined.

use serde_json::{Value as Json, json};

use super::{
    all, bytes, fixed,
    golden::{OUTER, POINTS, TIMED, TIMED_VALUE},
    one, written,
};
use crate::{Decoder, schema::leak};

#[test]
fn g01_structs() {
    let of = leak::last("Point { X:i64 Y:i64 }");
    let (definition, _) = POINTS.split_once('\n').unwrap();
    let values = [json!({"x": 22, "y": 33}), json!({"y": 5}), json!({})];
    assert_eq!(all(of, POINTS).unwrap(), values);
    assert_eq!(written(of, &values), bytes(POINTS));
    // Any order is put into Go's; zero and null are not sent.
    assert_eq!(
        written(of, &[json!({"y": 33, "z": 1, "x": 22})]),
        bytes(&format!("{definition} 07 ff 80 01 2c 01 42 00"))
    );
    assert_eq!(
        written(of, &[json!({"x": 0, "y": null})]),
        bytes(&format!("{definition} 03 ff 80 00"))
    );
}

#[test]
fn g01_nested() {
    let of = leak::last("Item { Name:s N:i32 }\nOuter { Title:s Items:[]Item Flag:b }");
    let value = json!({"title": "t", "items": [{"name": "a", "n": 1}, {}], "flag": true});
    assert_eq!(one(of, OUTER).unwrap(), value);
    let ours = written(of, std::slice::from_ref(&value));
    // Our struct has another number; the value is the same.
    assert!(ours.ends_with(&bytes("01 01 74 01 02 01 01 61 01 02 00 00 01 01 00")));
    let mut rest = ours.as_slice();
    let again: Json = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
    assert_eq!(again, value);
}

/// A struct of one text whose numbers are not Go's first ones.
fn numbered(id: i64) -> Vec<u8> {
    let mut definition = Vec::new();
    crate::put::int(&mut definition, -id);
    definition.extend(bytes("03 01 01 01 \"P\" 01"));
    crate::put::int(&mut definition, id);
    definition.extend(bytes("00 01 01 01 01 \"P\" 01 0c 00 00 00"));
    let mut value = Vec::new();
    crate::put::int(&mut value, id);
    value.extend(bytes("01 01 78 00"));
    let mut stream = Vec::new();
    crate::put::bytes(&mut stream, &definition);
    crate::put::bytes(&mut stream, &value);
    stream
}

#[test]
fn g02_numbers_of_types_are_any() {
    let of = leak::last("P { P:s }");
    // Older Go begins at 65. On one stream: gaps, and backwards.
    let stream = [64, 65, 300, 299, 2_000_000_000, 70].map(numbered).concat();
    let (mut rest, mut decoder) = (stream.as_slice(), Decoder::default());
    for _ in 0..6 {
        let read: Json = decoder.next(&mut rest).unwrap().unwrap().decode(of).unwrap();
        assert_eq!(read, json!({"p": "x"}));
    }
    assert!(rest.is_empty());
}

#[test]
fn g03_the_messages_number_counts() {
    let of = leak::last("M { Phase:s StartedAt:*T Metadata:{}s }");
    // In the definition of the time, message 65 says that it is 67.
    let stream = format!("{TIMED} {TIMED_VALUE}");
    let value = json!({"phase": "S", "startedAt": "2024-01-02T03:04:05.000000006Z", "metadata": {}});
    assert_eq!(one(of, &stream).unwrap(), value);
}

#[test]
fn g04_types_without_names() {
    // The struct, the map and the map's element are nameless.
    let of = leak::last("E { X:i64 }\nS { M:{}E }");
    let stream = fixed(
        "00 7f 03 01 02 ff 80 00 01 01 01 01 \"M\" 01 ff 82 00 00 00
         00 ff 81 04 01 02 ff 82 00 01 0c 01 ff 84 00 00
         00 ff 83 03 01 02 ff 84 00 01 01 01 01 \"X\" 01 04 00 00 00
         00 ff 80 01 01 01 \"k\" 01 0e 00 00",
    );
    assert_eq!(one(of, &stream).unwrap(), json!({"m": {"k": {"x": 7}}}));
}

#[test]
fn g07_definitions_in_any_order() {
    let of = leak::last("Item { Name:s }\nOuter { Items:[]Item }");
    let item = "00 fe 02 57 03 01 01 01 49 01 fe 02 58 00 01 01 01 04 \"Name\" 01 0c 00 00 00";
    let list = "00 fe 02 5b 02 01 02 fe 02 5c 00 01 fe 02 58 00 00";
    let outer = "00 fe 02 5d 03 01 01 01 4f 01 fe 02 5e 00 01 01 01 05 \"Items\" 01 fe 02 5c 00 00 00";
    let value = "00 fe 02 5e 01 02 01 01 61 00 01 01 62 00 00";
    for order in [[item, list, outer], [outer, list, item], [list, outer, item]] {
        let stream = fixed(&[order.join("\n").as_str(), value].join("\n"));
        assert_eq!(
            one(of, &stream).unwrap(),
            json!({"items": [{"name": "a"}, {"name": "b"}]})
        );
    }
    // Inside the value, as Go does it where a type is first met in an interface.
    let behind = |line: &str| line.split_once(' ').unwrap().1.to_owned();
    let inline = fixed(&format!(
        "00 10 00 01 \"O\" {}\n{list}\n{item}\n00 fe 02 5e 0a {}",
        behind(outer),
        behind(value).strip_prefix("fe 02 5e ").unwrap()
    ));
    assert_eq!(
        one(of, &inline).unwrap(),
        json!({"items": [{"name": "a"}, {"name": "b"}]})
    );
}
