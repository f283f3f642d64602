//! Counts that lie.

use super::*;
use crate::{schema::leak, types};

#[test]
fn x10_elements_that_never_come() {
    alone(LITTLE, || {
        let strings = "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00";
        let list = fixed(
            "00 7f 02 01 02 ff 80 00 01 0c 00 00
             00 ff 81 03 01 02 ff 82 00 01 01 01 01 \"L\" 01 ff 80 00 00 00",
        );
        let of = leak::last("S { L:[]s }");
        let other = leak::last("S { L:[]s M:s }");
        for count in ["f8 7f ff*7", "f8 ff*8", "fd 0f 42 40"] {
            let map = format!("{strings} {}", fixed(&format!("00 ff 80 00 {count}")));
            let slice = format!("{list} {}", fixed(&format!("00 ff 82 01 {count}")));
            refuse(&[
                (types::STRINGS, &map, "exceed"),
                (of, &slice, "exceed"),
                (other, &slice, "exceed"),
            ]);
        }
        // In a field that is skipped.
        let two = fixed(
            "00 7f 02 01 02 ff 80 00 01 0c 00 00
             00 ff 83 04 01 02 ff 84 00 01 0c 01 0c 00 00
             00 ff 81 03 01 02 ff 82 00 01 03 01 01 \"L\" 01 ff 80 00 01 01 \"M\" 01 ff 84 00 01 01 \"X\" 01 0c 00 00 00",
        );
        let of = leak::last("S { X:s }");
        for field in ["01", "02"] {
            let value = fixed(&format!("00 ff 82 {field} f8 7f ff*7"));
            refuse(&[(of, &format!("{two} {value}"), "exceed")]);
        }
    });
}

#[test]
fn x17_elements_of_no_bytes() {
    alone(64 << 20, || {
        // A slice of empty structs with more elements than bytes, and as many as a limit allows.
        let of = leak::last("E { }\nS { L:[]E }");
        let head = fixed(
            "00 7f 03 01 02 ff 80 00 00 00
             00 ff 81 02 01 02 ff 82 00 01 ff 80 00 00
             00 ff 83 03 01 02 ff 84 00 01 01 01 01 4c 01 ff 82 00 00 00",
        );
        assert!(refused(of, &format!("{head} {}", fixed("00 ff 84 01 f8 10 00*7"))).contains("exceed"));
        let mut stream = bytes(&head);
        let mut value = bytes("ff 84 01");
        crate::put::uint(&mut value, 1 << 20);
        value.resize(value.len() + (1 << 20) + 1, 0);
        crate::put::bytes(&mut stream, &value);
        let error = first(of, &stream).unwrap_err();
        assert!(error.to_string().contains("parts"), "{error}");
    });
}

#[test]
fn x18_arrays_of_impossible_lengths() {
    alone(LITTLE, || {
        // Arrays are nobody's here: they are skipped, and have the length of their type.
        let of = leak::last("S { B:s }");
        let array = |length: &str, value: &str| {
            fixed(&format!(
                "00 7f 01 01 02 ff 80 00 01 04 01 {length} 00 00
             00 ff 81 03 01 02 ff 82 00 01 02 01 01 \"A\" 01 ff 80 00 01 01 \"B\" 01 0c 00 00 00
             00 ff 82 01 {value} 01 01 78 00"
            ))
        };
        assert_eq!(
            one(of, &array("04", "02 02 02")).unwrap(),
            serde_json::json!({"b": "x"})
        );
        refuse(&[
            (of, &array("01", "00"), "negative length"),
            (of, &array("04", "03 02 02 02"), "length mismatch"),
            // 2^40, as the type and the value say, or as one of them does.
            (of, &array("fa 02 00 00 00 00 00", "fa 01 00 00 00 00 00"), "exceed"),
            (of, &array("fa 02 00 00 00 00 00", "01 02"), "length mismatch"),
            (of, &array("04", "fa 01 00 00 00 00 00"), "exceed"),
        ]);
    });
}

#[test]
fn x19_definitions_without_end() {
    alone(LITTLE, || {
        let mut decoder = Decoder::default();
        let mut refusal = None;
        for id in 64..1_000_000_i64 {
            let mut body = Vec::new();
            crate::put::int(&mut body, -id);
            body.extend(bytes("03 01 02 04 00 00 00"));
            if let Err(error) = decoder.message(&body) {
                refusal = Some(error);
                break;
            }
        }
        let error = refusal.unwrap();
        assert!(
            error.ends_stream() && error.to_string().contains("too many type"),
            "{error}"
        );
    });
}

#[test]
fn x19_a_struct_of_a_million_fields() {
    alone(64 << 20, || {
        let definition = |fields: usize| {
            let mut body = bytes("7f 03 01 02 ff 80 00 01");
            crate::put::uint(&mut body, fields as u64);
            for _ in 0..fields {
                body.extend(bytes("01 01 \"F\" 01 04 00"));
            }
            body.extend([0, 0]);
            let mut stream = Vec::new();
            crate::put::bytes(&mut stream, &body);
            stream
        };
        let error = first(INT, &definition(1_000_000)).unwrap_err();
        assert!(
            error.ends_stream() && error.to_string().contains("too many fields"),
            "{error}"
        );
        let mut fine = &definition(1000)[..];
        assert!(Decoder::default().next(&mut fine).unwrap().is_none());
    });
}

#[test]
fn x19_a_field_without_name() {
    let stream = fixed("00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 01 \"P\" 01 04 00 02 04 00 00 00\n00 ff 80 01 02 00");
    assert!(refused(leak::last("S { P:i32 }"), &stream).contains("empty name for remote field"));
}
