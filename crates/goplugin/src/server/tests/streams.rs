//! What is on the wire: bytes one by one, numbers of calls and streams, garbage.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Numbers of calls are the caller's business.
#[tokio::test]
async fn n16_equal_numbers_are_both_answered() {
    let kind = PluginKind::Step;
    let host = host(kind, true).await;
    let (stream, rest) = host.stream(kind).await;
    assert!(rest.is_empty());
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    for seq in [7, 7, u64::MAX] {
        let service_method = "Plugin.Type".to_owned();
        encoder
            .value(types::RPC_REQUEST, &wire::Request { service_method, seq }, &mut bytes)
            .unwrap();
        encoder.nil_interface(&mut bytes);
    }
    stream.push(bytes.into()).unwrap();
    // Half-closed: what was asked is still answered, and then the server closes as well.
    stream.close();
    let mut all = Vec::new();
    while let Some(bytes) = within(stream.recv()).await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    let (mut decoder, mut rest) = (Decoder::new(Limits::default()), &all[..]);
    let mut seqs = Vec::new();
    while !rest.is_empty() {
        let header = decoder.next(&mut rest).unwrap().unwrap();
        seqs.push(header.decode::<wire::Response>(types::RPC_RESPONSE).unwrap().seq);
        let name: String = decoder.next(&mut rest).unwrap().unwrap().decode(types::STRING).unwrap();
        assert_eq!(name, "a/b");
    }
    seqs.sort_unstable();
    assert_eq!(seqs, [7, 7, u64::MAX]);
}

/// Bytes that come one by one.
#[tokio::test]
async fn y14_calls_of_one_byte_at_a_time() {
    let ((ours, near), (far, theirs)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let kind = PluginKind::Step;
    let serving = tokio::spawn(Server::serve_connection(kind, theirs, Arc::new(Fake { serves: true })));
    let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.into_split(), far.into_split());
    let requests = tokio::spawn(async move {
        let mut byte = [0];
        while near_read.read_exact(&mut byte).await.is_ok() && far_write.write_all(&byte).await.is_ok() {}
    });
    let answers = tokio::spawn(async move {
        let mut byte = [0];
        while far_read.read_exact(&mut byte).await.is_ok() && near_write.write_all(&byte).await.is_ok() {}
    });
    let host = host_over(ours, serving).await;
    let service = host.service(kind).await;
    let args = json!({"rollout": {"metadata": {"name": "fine"}}, "context": {"status": {"a": 1}}});
    let answer = call(&service, "Run", "step.RunArgs", &args, types::STEP_RESPONSE)
        .await
        .unwrap();
    assert_eq!(answer["result"]["status"], json!({"a": 1}));
    requests.abort();
    answers.abort();
}

/// A host that hangs up right behind its farewell, as Go's does: the server ends all the same, whatever it sees first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l01_a_farewell_and_the_end_at_once() {
    for _ in 0..200 {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let quit = Arc::new(tokio::sync::Notify::new());
        let plugin = Arc::new(Plugin::new(PluginKind::Step, Arc::new(Fake { serves: true })));
        let serving = tokio::spawn(connection::serve(theirs, plugin, quit.clone()));
        let session = Session::new(Socket::Unix(ours), Role::Client, Times::default());
        let control = session.open().await.unwrap();
        let _output = [session.open().await.unwrap(), session.open().await.unwrap()];
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        let service_method = "Control.Quit".to_owned();
        let request = wire::Request { service_method, seq: 0 };
        encoder.value(types::RPC_REQUEST, &request, &mut bytes).unwrap();
        encoder.value(types::BOOL, &true, &mut bytes).unwrap();
        control.push(bytes.into()).unwrap();
        control.close();
        // The answer.
        assert!(within(control.recv()).await.unwrap().is_some());
        session.close();
        within(quit.notified()).await;
        within(serving).await.unwrap();
    }
}

/// Numbers that were never given out, or that come twice.
#[tokio::test]
async fn y16_streams_that_nobody_waits_for_are_closed() {
    let kind = PluginKind::Step;
    let host = host(kind, true).await;
    let number = host.dispense("RpcStepPlugin").await.unwrap();
    let (stream, rest) = broker::dial(&host.session, number).await.unwrap();
    let (unknown, again) = tokio::join!(broker::dial(&host.session, 9), broker::dial(&host.session, number));
    assert!(unknown.is_err() && again.is_err());
    let service = Client::new(stream, rest, CallLimits::default());
    assert_eq!(name_of(&service).await.unwrap(), "a/b");
}

/// A connection that is none ends, and bytes that are no net/rpc end their stream alone.
#[tokio::test]
async fn garbage_is_the_end_of_its_stream_alone() {
    let kind = PluginKind::Step;
    let host = host(kind, true).await;
    let service = host.service(kind).await;
    let garbage: [&'static [u8]; 5] = [
        b"\x00",
        b"\xf7\xff\xff\xff",
        b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x03\x04\x00\x0e",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for bytes in garbage {
        let (stream, _) = host.stream(kind).await;
        stream.push(Bytes::from_static(bytes)).unwrap();
        stream.close();
        // Ended, or reset.
        while let Ok(Some(_)) = within(stream.recv()).await {}
        assert_eq!(name_of(&service).await.unwrap(), "a/b");
    }
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(Server::serve_connection(kind, theirs, Arc::new(Fake { serves: true })));
    ours.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    within(serving).await.unwrap();
}
