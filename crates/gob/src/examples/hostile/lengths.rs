//! Lengths that lie.

use super::*;
use crate::examples::golden::TIMED;
use crate::{Encoder, schema::leak, types, wire};

#[test]
fn x01_a_stream_that_is_cut_off() {
    refuse(&[(INT, "fe", "unexpected EOF"), (INT, "03 04", "unexpected EOF")]);
}

#[test]
fn x02_an_empty_message() {
    refuse(&[(INT, "00", "empty message")]);
}

#[test]
fn x03_a_length_of_nine_bytes() {
    refuse(&[(INT, "f7 01*9", "out of range"), (INT, "80", "out of range")]);
}

#[test]
fn x04_gigabytes_that_never_come() {
    alone(LITTLE, || {
        // Eight of them; one, of which two bytes are there. Both are refused for what they say.
        refuse(&[
            (
                INT,
                "fb 02 00 00 00 00",
                "a message of 8589934592 bytes; at most 16777216",
            ),
            (
                INT,
                "fc 40 00 00 00 04 00",
                "a message of 1073741824 bytes; at most 16777216",
            ),
            // As much as is read: one waits, and nothing is set aside.
            (INT, "fd ff ff ff 04 00", "unexpected EOF"),
        ]);
    });
}

#[test]
fn x07_texts_beyond_the_message() {
    alone(LITTLE, || {
        refuse(&[
            (
                types::STRING,
                "05 0c 00 7f 61 61",
                "a length of 127 exceeds the 2 bytes left",
            ),
            (
                types::STRING,
                "0c 0c 00 f8 7f ff*7 61",
                "a length of 9223372036854775807 exceeds",
            ),
            (
                types::STRING,
                "0c 0c 00 f8 ff*8 61",
                "a length of 18446744073709551615 exceeds",
            ),
        ]);
    });
}

#[test]
fn x23_self_encoded_bytes_beyond_the_message() {
    let of = leak::last("M { Phase:s StartedAt:*T }");
    assert!(refused(of, &format!("{TIMED} 06 ff 80 02 0f 01 00")).contains("exceeds"));
    // Where nobody wants them, too.
    let of = leak::last("M { Phase:s }");
    assert!(refused(of, &format!("{TIMED} 06 ff 80 02 0f 01 00")).contains("exceeds"));
}

#[test]
fn x24_a_text_of_50_mb_is_never_waited_for() {
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    let head = wire::Response {
        error: "x".repeat(50 << 20),
        ..Default::default()
    };
    encoder.value(types::RPC_RESPONSE, &head, &mut stream).unwrap();
    // The definition, and the first bytes of the value.
    let mut rest = &stream[..200];
    let error = Decoder::default().next(&mut rest).unwrap_err();
    assert!(
        matches!(error, DecodeError::TooLong { limit: 16_777_216, .. }),
        "{error}"
    );
    assert!(error.ends_stream());
}
