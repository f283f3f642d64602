//! Which types of the other side are ours.

use serde_json::{Value as Json, json};

use super::{fixed, one, refused, written};
use crate::{DecodeError, Decoder, Type, schema::leak, types};

/// A struct of one field `P` of a type that the other side has, and a value of it.
fn sent(id: &str, value: &str) -> String {
    fixed(&format!(
        "00 7f 03 01 01 01 50 01 ff 80 00 01 01 01 01 50 01 {id} 00 00 00\n00 ff 80 {value}"
    ))
}

/// What the other side may define: a struct, a map, a slice, types that encode themselves, an array.
const DEFINED: &str = "00 ff 81 03 01 02 ff 82 00 01 01 01 01 \"A\" 01 0c 00 00 00
    00 ff 83 04 01 02 ff 84 00 01 0c 01 0c 00 00
    00 ff 85 02 01 02 ff 86 00 01 0c 00 00
    00 ff 87 05 01 01 05 \"Other\" 01 ff 88 00 00 00
    00 ff 89 06 01 02 ff 8a 00 00 00
    00 ff 8b 01 01 02 ff 8c 00 01 0c 01 06 00 00";

#[test]
fn g12_numbers_out_of_range() {
    let of = |kind: &str| leak::last(&format!("P {{ P:{kind} }}"));
    assert_eq!(one(of("i32"), &sent("04", "01 02 00")).unwrap(), json!({"p": 1}));
    // 2^40, and what is one too much.
    assert!(refused(of("i32"), &sent("04", "01 fa 02 00*5 00")).contains("out of range"));
    assert!(refused(of("i8"), &sent("04", "01 fe 01 00 00")).contains("out of range"));
    assert!(refused(of("i8"), &sent("04", "01 fe 01 01 00")).contains("out of range"));
    assert!(refused(of("u16"), &sent("06", "01 fd 01 00 00 00")).contains("out of range"));
    assert_eq!(one(of("i8"), &sent("04", "01 ff ff 00")).unwrap(), json!({"p": -128}));
}

#[test]
fn g13_every_kind_against_every_other() {
    let wanted = [
        ("P { P:b }", "02"),
        ("P { P:i32 }", "04"),
        ("P { P:D }", "04"),
        ("P { P:u64 }", "06"),
        ("P { P:f }", "08"),
        ("P { P:B }", "0a"),
        ("P { P:s }", "0c"),
        ("In { A:s }\nP { P:In }", "ff 82"),
        ("In { A:s }\nP { P:*In }", "ff 82"),
        ("P { P:{}s }", "ff 84"),
        ("P { P:[]s }", "ff 86"),
        ("P { P:*T }", "ff 88"),
    ];
    let kinds = [
        "02", "04", "06", "08", "0a", "0c", "0e", "10", "ff 82", "ff 84", "ff 86", "ff 88", "ff 8a", "ff 8c",
    ];
    for (of, fits) in wanted {
        for kind in kinds {
            // There is no value of the field: its type counts all the same.
            let stream = format!("{} {} 05 0c 00 02 \"ok\"", fixed(DEFINED), sent(kind, "00"));
            let stream = super::bytes(&stream);
            let (mut rest, mut decoder) = (stream.as_slice(), Decoder::default());
            let read: Result<Json, _> = decoder.next(&mut rest).unwrap().unwrap().decode(leak::last(of));
            match read {
                Ok(_) => assert_eq!(kind, fits, "{of}"),
                Err(error) => {
                    assert_ne!(kind, fits, "{of}: {error}");
                    assert_eq!(error.to_string(), "P: wrong type for received field P.P", "{of} {kind}");
                }
            }
            // The next value is read.
            let next: String = decoder.next(&mut rest).unwrap().unwrap().decode(types::STRING).unwrap();
            assert_eq!(next, "ok");
        }
    }
}

#[test]
fn g13_structs_that_are_like_ours() {
    let of = leak::last("P { P:i32 }");
    // A type without definition, in a field that is wanted and in one that is not.
    assert!(refused(of, &sent("ff c8", "00")).contains("unknown type id"));
    assert!(refused(leak::last("P { Q:s }"), &sent("ff c8", "00")).contains("no fields matched"));
    // No end, and a step beyond the last field.
    assert_eq!(one(of, &sent("04", "01 02")).unwrap(), json!({"p": 1}));
    assert!(refused(of, &sent("04", "02 02 00")).contains("out of bounds"));
    // Another name of the type, other names of fields, another order.
    let ours = leak::last("Other { P:i32 Q:s }");
    let theirs = leak::last("S { Q:s p=little:i32 Z:i32 P:i32 }");
    let stream = written(theirs, &[json!({"q": "x", "little": 5, "z": 7}), json!({})]);
    let mut rest = stream.as_slice();
    let read: Json = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode(ours)
        .unwrap();
    assert_eq!(read, json!({"q": "x"}));
    // A struct without fields fits any.
    let stream = written(leak::last("E { }"), &[json!({})]);
    let mut rest = stream.as_slice();
    let read: Json = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode(ours)
        .unwrap();
    assert_eq!(read, json!({}));
    // Entries are added to a map that is there already; keys may come twice.
    assert_eq!(
        one(
            types::STRINGS,
            "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00 0c ff 80 00 02 01 6b 01 76 01 6b 01 77"
        )
        .unwrap(),
        json!({"k": "w"})
    );
}

/// Reads, as another type, a value of a type with most of what there is.
fn read(of: Type) -> Result<Json, DecodeError> {
    let full = leak::last("In { A:s Z:[]i32 }\nS { X:{}In N:In T:*T K:s L:[]s }");
    let value =
        json!({"x": {"k": {"a": "b", "z": [1]}}, "n": {"a": "c"}, "t": "2024-01-02T03:04:05Z", "k": "v", "l": ["m"]});
    let stream = written(full, &[value]);
    let mut rest = stream.as_slice();
    Decoder::default().next(&mut rest).unwrap().unwrap().decode(of)
}

#[test]
fn g14_more_and_fewer_fields() {
    assert_eq!(read(leak::last("S { New:s K:s }")).unwrap(), json!({"k": "v"}));
    assert_eq!(
        read(leak::last("In { Z:[]i32 Y:s }\nS { X:{}In L:[]s More:[]In }")).unwrap(),
        json!({"x": {"k": {"z": [1]}}, "l": ["m"]})
    );
    // Fields that are skipped: an array, and what marshals itself.
    let skipped = format!(
        "{}\n{}",
        DEFINED,
        "00 7f 03 01 01 01 53 01 ff 80 00 01 03 01 01 \"X\" 01 ff 8c 00 01 01 \"Y\" 01 ff 8a 00 01 01 \"Z\" 01 0c 00 00 00"
    );
    let value = "00 ff 80 01 03 01 61 01 62 00 01 02 07 aa 01 01 63 00";
    assert_eq!(
        one(leak::last("S { Z:s }"), &fixed(&format!("{skipped}\n{value}"))).unwrap(),
        json!({"z": "c"})
    );
}

#[test]
fn g15_no_field_is_known() {
    let error = read(leak::last("S { Other:s }")).unwrap_err();
    assert!(error.to_string().contains("no fields matched"), "{error}");
    assert!(read(leak::last("S { k:s }")).is_err(), "names are matched exactly");
    // In a struct inside, that is fine.
    let nested = read(leak::last("In { Other:s }\nS { N:In }")).unwrap();
    assert_eq!(nested, json!({"n": {}}));
}
