//! Bytes that nobody meant: every answer is a value or an error, in bounded time and memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use rollcage_gob::{Decoder, EncodeError, Encoder, Limits, types};
use serde_json::{Value as Json, json};

use crate::{differential::random, oracle::Oracle, values::try_read};

/// Reads a stream to its end as whatever it says, each value as one of our types.
fn read_all(mut stream: &[u8]) {
    let mut decoder = Decoder::new(Limits::default());
    while let Ok(Some(value)) = decoder.next(&mut stream) {
        let of = match value.interface() {
            Some(name) => rollcage_gob::wire::argument(name).unwrap_or(types::METRIC_RUN_ARGS),
            None => types::STEP_RESPONSE,
        };
        if value.decode::<Json>(of).is_err_and(|error| error.ends_stream()) {
            return;
        }
    }
}

fn sample() -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    let args = json!({
        "analysisRun": {"metadata": {"name": "a", "labels": {"k": "v"}, "creationTimestamp": "2024-01-02T03:04:05Z"}},
        "metric": {"name": "m", "count": 3, "provider": {"plugin": {"a/b": {"x": [1, 2]}}, "job": {"spec": {}}}},
    });
    for _ in 0..2 {
        encoder.interface("RunArgs", types::METRIC_RUN_ARGS, &args, &mut stream)?;
    }
    Ok(stream)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn x22_any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&stream);
    }

    #[test]
    fn x22_flipped_and_cut_streams_are_survived(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let mut stream = sample().unwrap();
        let length = stream.len();
        for (at, to) in flips {
            stream[at.index(length)] = to;
        }
        if cut {
            stream.truncate(end.index(length));
        }
        read_all(&stream);
    }
}

/// A stream that Go made with a few bytes changed: accepted by both or by none, but for what is listed.
#[test]
fn changed_streams_are_refused_by_both_or_by_none() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let mut next = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |below: usize| {
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        usize::try_from(next % below as u64).unwrap()
    };
    let (mut questions, mut streams) = (Vec::new(), Vec::new());
    for seed in 0..runs(40) {
        let sample = random(&mut oracle, 5000 + seed, 17, 0.3)?;
        let bytes = BASE64_STANDARD.decode(&sample.stream)?;
        for _ in 0..25 {
            let mut changed = bytes.clone();
            for _ in 0..=roll(2) {
                let at = roll(changed.len());
                match roll(3) {
                    0 => changed[at] = changed[at].wrapping_add(1),
                    1 => changed[at] ^= 1 << roll(8),
                    _ => drop(changed.remove(at)),
                }
            }
            questions.push(json!({"names": sample.names, "stream": BASE64_STANDARD.encode(&changed)}));
            streams.push((sample.names.clone(), changed));
        }
    }
    let answers = oracle.ask_all("gob.decode", &questions)?;
    let (mut both, mut none, mut unlike) = (0, 0, Vec::new());
    for ((names, stream), answer) in streams.iter().zip(answers) {
        let Ok(go) = answer else { continue };
        let (ours, error) = try_read(names, stream);
        let theirs = usize::try_from(go["values"].as_u64().unwrap_or_default())?;
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        let go_error = go["error"].as_str().unwrap_or_default();
        match (ours == names.len(), theirs == names.len()) {
            (true, true) => both += 1,
            _ if ours == theirs => none += 1,
            _ if listed(&error, go_error) => {}
            _ => unlike.push(format!("we {ours} ({error}), Go {theirs} ({go_error})")),
        }
    }
    println!("both {both}, none {none}, unlike {}", unlike.len());
    assert!(both > 100 && none > 100, "{both} {none}");
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    Ok(())
}

/// How many streams: more for a longer look, by GOB_STREAMS.
pub fn runs(usual: u32) -> u32 {
    let wanted = std::env::var("GOB_STREAMS")
        .ok()
        .and_then(|streams| streams.parse().ok());
    wanted.unwrap_or(usual)
}

/// Where we refuse what Go reads, or the other way round.
fn listed(ours: &str, _go: &str) -> bool {
    // Bytes that are to be JSON are carried by Go without a look.
    ours.contains("no JSON")
        // Years and fractions of seconds that RFC 3339 cannot write.
        || ours.contains("a time ")
        // No JSON of Go's can have it either.
        || ours.contains("impossible IntOrString.Type")
        // Go takes one of them, whichever fits.
        || ours.contains("a type of two kinds")
}

/// An object with what it has in any order, and some of it twice.
struct Shuffled<'a>(&'a Json, usize);

impl serde::Serialize for Shuffled<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, seed) = *self;
        match value {
            Json::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                let length = entries.len().max(1);
                entries.rotate_left(seed % length);
                if seed % 3 == 0 {
                    entries.reverse();
                }
                // Without an announced length, and the first of two entries of a key counts for nothing.
                let twice = entries.first().filter(|_| seed % 2 == 0 && length > 1).copied();
                let entries = twice
                    .into_iter()
                    .chain(entries.into_iter().skip(usize::from(twice.is_some())));
                serializer.collect_map(
                    entries
                        .chain(twice)
                        .map(|(key, value)| (key, Shuffled(value, seed / 2))),
                )
            }
            Json::Array(items) => serializer.collect_seq(items.iter().map(|item| Shuffled(item, seed / 2))),
            other => other.serialize(serializer),
        }
    }
}

#[test]
fn fields_in_any_order_are_the_same_bytes() {
    let run = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {"name": "a", "namespace": "b", "uid": "c", "generation": 7,
            "managedFields": [{"manager": "x", "operation": "Update"}, {"manager": "y", "fieldsType": "FieldsV1"}]},
        "spec": {"metrics": [{"name": "m", "interval": "5s", "count": 2, "provider": {"job": {"metadata": {"name": "j"},
            "spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "Never", "hostNetwork": true,
                "containers": [{"name": "c", "image": "i", "command": ["x", "y"],
                    "resources": {"limits": {"cpu": "1"}},
                    "livenessProbe": {"periodSeconds": 5, "httpGet": {"path": "/", "port": 80}}}]}}}}}}],
            "terminate": true, "dryRun": [{"metricName": "m"}]},
        "status": {"phase": "Running", "message": "x", "runSummary": {"count": 3, "failed": 1},
            "metricResults": [{"name": "m", "phase": "Running", "count": 2, "measurements": [
                {"phase": "Failed", "value": "1", "startedAt": "2024-01-02T03:04:05Z"}, {"value": "2", "phase": "Error"}]}]},
    });
    let bytes = |seed| {
        let mut stream = Vec::new();
        let written = Encoder::new().value(types::ANALYSIS_RUN, &Shuffled(&run, seed), &mut stream);
        written.map(|()| stream)
    };
    let wanted = bytes(1).unwrap();
    for seed in 0..500 {
        assert!(bytes(seed).unwrap() == wanted, "seed {seed}");
    }
    let mut plain = Vec::new();
    Encoder::new().value(types::ANALYSIS_RUN, &run, &mut plain).unwrap();
    assert!(plain == wanted);
    let mut decoder = Decoder::new(Limits::default());
    let read: Json = decoder
        .next(&mut plain.as_slice())
        .unwrap()
        .unwrap()
        .decode(types::ANALYSIS_RUN)
        .unwrap();
    assert_eq!(
        read.pointer("/spec/metrics/0/provider/job/spec/template/spec/containers/0/livenessProbe/periodSeconds"),
        Some(&json!(5))
    );
}
