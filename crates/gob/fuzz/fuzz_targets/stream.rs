//! Any bytes as a stream. What is read can be written, and is the same when it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcage_gob::{Decoder, Encoder, Limits, types, wire};
use serde_json::Value;

fuzz_target!(|stream: &[u8]| {
    let mut rest = stream;
    let mut decoder = Decoder::new(Limits::default());
    while let Ok(Some(value)) = decoder.next(&mut rest) {
        let of = match value.interface() {
            Some(name) => wire::argument(name).unwrap_or(types::METRIC_RUN_ARGS),
            None => types::STEP_RESPONSE,
        };
        match value.decode::<Value>(of) {
            Ok(read) => {
                let mut written = Vec::new();
                Encoder::new()
                    .value(of, &read, &mut written)
                    .expect("what was read can be written");
                let mut rest = written.as_slice();
                let mut decoder = Decoder::new(Limits::default());
                let value = decoder.next(&mut rest).expect("a stream").expect("a value");
                let _: Value = value.decode(of).expect("the value's own type");
            }
            Err(error) if error.ends_stream() => return,
            Err(_) => {}
        }
    }
});
