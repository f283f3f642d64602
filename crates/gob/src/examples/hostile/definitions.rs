//! Types that are none, and values of no type.

use super::*;
use crate::{schema::leak, types};

#[test]
fn x05_a_type_that_nobody_defined() {
    refuse(&[
        (INT, "04 ff c8 00 01", "unknown type id"),
        (INT, "03 00 00 0e", "unknown type id"),
    ]);
}

#[test]
fn x06_a_step_in_front_of_a_number() {
    refuse(&[(INT, "03 04 01 0e", "non-zero delta")]);
}

#[test]
fn x08_a_type_that_is_there() {
    refuse(&[
        // gob's own interface type, and one twice.
        (INT, "0a 0f 03 01 02 ff 84 00 00 00 00", "duplicate type"),
        (
            INT,
            "0a ff 83 03 01 02 ff 84 00 00 00 0a ff 83 03 01 02 ff 84 00 00 00",
            "duplicate type",
        ),
    ]);
}

#[test]
fn x09_bytes_behind_a_definition() {
    refuse(&[(INT, "0b ff 83 03 01 02 ff 84 00 00 00 07", "extra data in buffer")]);
}

#[test]
fn x11_steps_beyond_the_fields() {
    alone(LITTLE, || {
        let of = leak::last("P { P:i32 }");
        let definition = fixed("00 7f 03 01 01 01 50 01 ff 80 00 01 01 01 01 50 01 04 00 00 00");
        for step in ["02", "f8 ff*8", "f8 7f ff*7"] {
            let value = fixed(&format!("00 ff 80 {step} 02 00"));
            refuse(&[(of, &format!("{definition} {value}"), "out of bounds")]);
        }
        // Without its end, and with more behind it: Go reads both.
        assert_eq!(
            one(of, &format!("{definition} 04 ff 80 01 02")).unwrap(),
            serde_json::json!({"p": 1})
        );
        assert_eq!(
            one(of, &format!("{definition} 07 ff 80 01 02 00 aa bb")).unwrap(),
            serde_json::json!({"p": 1})
        );
    });
}

#[test]
fn x12_a_definition_and_nothing_more() {
    refuse(&[(INT, "0a ff 83 03 01 02 ff 84 00 00 00", "unexpected EOF")]);
}

#[test]
fn x13_names_and_kinds_that_are_none() {
    alone(LITTLE, || {
        let long = |length: usize| {
            let mut value = bytes("10 00");
            crate::put::bytes(&mut value, &vec![b'n'; length]);
            value.extend(bytes("04 02 00 0e"));
            let mut stream = Vec::new();
            crate::put::bytes(&mut stream, &value);
            stream
        };
        let name = first(INT, &long(1025)).unwrap_err();
        assert!(
            name.to_string().contains("name of an interface's type is too long"),
            "{name}"
        );
        assert_eq!(first(INT, &long(1024)).unwrap(), 7);
        refuse(&[
            (types::METRIC_RUN_ARGS, "05 10 00 7f 61 61", "exceeds"),
            (INT, "03 ff 83 00", "no kind"),
            (INT, "04 ff 83 0a 00", "out of bounds"),
            (INT, "0e ff 83 05 01 02 ff 84 00 00 01 01 00 00 00", "two kinds"),
        ]);
    });
}

#[test]
fn x20_a_type_that_never_comes() {
    let of = leak::last("P { P:i32 }");
    let skipped =
        "00 7f 03 01 01 01 50 01 ff 80 00 01 02 01 01 51 01 ff c8 00 01 01 50 01 04 00 00 00\n00 ff 80 02 02 00";
    refuse(&[(of, &fixed(skipped), "undefined")]);
    // Wanted.
    let wanted = "00 7f 03 01 01 01 50 01 ff 80 00 01 01 01 01 50 01 ff c8 00 00 00\n00 ff 80 01 02 00";
    refuse(&[(of, &fixed(wanted), "unknown type id")]);
    // Deeper than one looks in advance: where a value of it comes, and only there.
    let deeper = "00 7f 03 01 01 01 50 01 ff 80 00 01 02 01 01 51 01 ff 82 00 01 01 50 01 04 00 00 00
        00 ff 81 02 01 02 ff 82 00 01 ff c8 00 00\n";
    refuse(&[(of, &fixed(&format!("{deeper} 00 ff 80 01 01 00 01 02 00")), "undefined")]);
    assert_eq!(
        all(of, &fixed(&format!("{deeper} 00 ff 80 02 02 00"))).unwrap(),
        [serde_json::json!({"p": 1})]
    );
}
