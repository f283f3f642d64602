//! What is left out of a value.

use serde_json::{Value as Json, json};

use super::{bytes, golden::TIMED, one, refused, written};
use crate::{Decoder, Limits, schema::leak};

#[test]
fn g08_what_is_left_out() {
    let of = leak::last("In { A:i64 }\nS { N:i32 P:*i32 B:*b T:*s L:[]s M:{}s J:B St:In Ps:*In Tm:T Pt:*T F:f Q:u64 }");
    let body = |value: Json| {
        let stream = written(of, &[value]);
        let mut rest = stream.as_slice();
        let mut last = rest;
        while let Some(range) = crate::frame(rest, &Limits::default()).unwrap() {
            last = &rest[range.clone()];
            rest = &rest[range.end..];
        }
        // Behind the type's number.
        last[2..].to_vec()
    };
    // A struct is always there.
    assert_eq!(body(json!({})), bytes("08 00 00"));
    let zero =
        json!({"n": 0, "p": 0, "b": false, "t": "", "l": [], "f": -0.0, "q": 0, "ps": null, "tm": null, "pt": null});
    assert_eq!(body(zero), bytes("08 00 00"));
    assert_eq!(body(json!({"m": {}})), bytes("06 00 02 00 00"));
    assert_eq!(body(json!({"ps": {}})), bytes("08 00 01 00 00"));
    assert_eq!(body(json!({"st": {"a": 0}})), bytes("08 00 00"));
    assert_eq!(body(json!({"l": ["", "x"]})), bytes("05 02 00 01 78 03 00 00"));
    assert_eq!(body(json!({"m": {"": ""}})), bytes("06 01 00 00 02 00 00"));
    assert_eq!(body(json!({"j": null})), bytes("07 04 \"null\" 01 00 00"));
    // Read again: what was left out is absent, what was not is there, empty or not.
    for (value, read) in [
        (
            json!({"n": 0, "p": 0, "b": false, "t": "", "l": [], "f": -0.0, "q": 0, "ps": null, "tm": null, "pt": null}),
            json!({"st": {}}),
        ),
        (json!({"m": {}}), json!({"m": {}, "st": {}})),
        (json!({"ps": {}}), json!({"st": {}, "ps": {}})),
        (
            json!({"l": [""], "m": {"": ""}}),
            json!({"l": [""], "m": {"": ""}, "st": {}}),
        ),
    ] {
        let stream = written(of, &[value]);
        let mut rest = stream.as_slice();
        let again: Json = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
        assert_eq!(again, read);
    }
}

#[test]
fn g09_a_pointer_to_a_zero_time_is_present() {
    let of = leak::last("M { Phase:s StartedAt:*T Metadata:{}s }");
    let stream = format!("{TIMED} 14 ff 80 02 0f 01 00*12 ff ff 00");
    assert_eq!(one(of, &stream).unwrap(), json!({"startedAt": "0001-01-01T00:00:00Z"}));
    let ours = written(of, &[json!({"startedAt": "0001-01-01T00:00:00Z"})]);
    assert!(ours.ends_with(&bytes("02 0f 01 00*14 00")));
}

#[test]
fn g19_times_that_are_none() {
    let of = leak::last("M { Phase:s StartedAt:*T Metadata:{}s }");
    // Version 3, and a byte too few.
    assert!(refused(of, &format!("{TIMED} 14 ff 80 02 0f 03 00*12 ff ff 00")).starts_with("startedAt: Time."));
    assert!(refused(of, &format!("{TIMED} 13 ff 80 02 0e 01 00*12 ff 00")).ends_with("invalid length"));
}
