//! Executables that are no plugins, or broken ones: each ends as its own fault, in bounded time, with nothing left behind.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rollcage_core::{FaultKind, PluginId};
use rollcage_goplugin::{EnvironmentPolicy, LaunchStep, LineError, RpcError, SessionError, StartError};
use tokio::{io::AsyncReadExt as _, net::UnixListener, time::timeout};

use crate::support::{Case, SOON};

async fn line_of(script: &str) -> LineError {
    match Case::script(script).refused().await {
        StartError::Line { line, .. } => line,
        other => panic!("{other}"),
    }
}

/// H06 to H11, H17, H25: first lines, from a process.
#[tokio::test]
async fn h06_to_h11_lines() {
    let long = "1|1|unix|/".to_owned() + &"x".repeat(107) + "|netrpc|";
    let cases = [
        (
            "echo 'starting my plugin v1.2.3'; sleep 600",
            "unrecognized remote plugin message: starting my plugin v1.2.3",
        ),
        (
            "echo '2|1|unix|/t/p|netrpc|'; sleep 600",
            "plugin version 2, core version 1",
        ),
        (
            "echo 'x|1|unix|/t/p|netrpc|'; sleep 600",
            "the core protocol version \"x\" is no number",
        ),
        (
            "echo '1|2|unix|/t/p|netrpc|'; sleep 600",
            "plugin version 2, client versions [1]",
        ),
        (
            "echo '1|x|unix|/t/p|netrpc|'; sleep 600",
            "the protocol version \"x\" is no number",
        ),
        (
            "echo '1|1|pipe|/t/p|netrpc|'; sleep 600",
            "unknown address type \"pipe\"",
        ),
        (
            "echo '1|1|unix|/t/p|grpc|'; sleep 600",
            "unsupported plugin protocol \"grpc\", supported: [netrpc]",
        ),
        ("printf '1|1|unix|/t/p|netrpc|%0400d\\n' 0; sleep 600", "asks for TLS"),
        ("printf '1|1|unix|/t/\\0p|netrpc|\\n'; sleep 600", "is no text"),
        (
            "head -c 1000000 /dev/zero | tr '\\0' x; sleep 600",
            "more than 65536 bytes",
        ),
        (&format!("echo '{long}'; sleep 600"), "at most 107 bytes"),
    ];
    for (script, says) in cases {
        let line = line_of(script).await;
        assert!(line.to_string().contains(says), "{line} should say {says}");
    }
}

/// H12, H13, H14: ends and silence before the line.
#[tokio::test]
async fn h12_to_h14_no_line() {
    let cases = [
        (
            "echo 'cannot reach the moon' >&2; exit 0",
            "exited with code 0; on standard error: cannot reach the moon",
        ),
        (
            "echo 'cannot reach the moon' >&2; exit 1",
            "exited with code 1; on standard error: cannot reach the moon",
        ),
        ("kill -SEGV $$", "ended by signal 11 (SIGSEGV)"),
        ("exec >&-; sleep 600", "closed its standard output"),
        // A child that holds the pipes.
        ("sleep 600 & exit 4", "exited with code 4"),
    ];
    for (script, says) in cases {
        let error = Case::script(script).refused().await;
        assert!(error.to_string().contains(says), "{error} should say {says}");
    }
    let mut silent = Case::script("sleep 600 & echo waiting >&2; sleep 600");
    silent.spec.patience.start = Duration::from_millis(500);
    let error = silent.refused().await;
    assert!(
        matches!(&error, StartError::Silent { stderr, .. } if stderr == "waiting"),
        "{error}"
    );
    assert_eq!(error.kind(), FaultKind::Deadline);
}

/// H15: another kind of plugin.
#[tokio::test]
async fn h15_cookie() {
    let error = Case::script("echo 'This binary is a plugin. These are not meant' >&2; exit 1")
        .refused()
        .await;
    assert!(matches!(error, StartError::Cookie { .. }), "{error}");
    let fault = error.fault(&PluginId {
        kind: rollcage_api::plugin::PluginKind::Step,
        name: "a/b".into(),
    });
    assert_eq!(fault.kind, FaultKind::WrongContract);
    assert!(fault.hint.contains("which key"), "{fault}");
}

/// H16: files that cannot be run, apart; and no trace of the failure at the next try.
#[tokio::test]
async fn h16_files() {
    let kind = async |case: &Case| match case.refused().await {
        error @ StartError::Exec { .. } => error.kind(),
        other => panic!("{other}"),
    };
    let mut case = Case::script("echo 1");
    let path = case.spec.executable.clone();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kind(&case).await, FaultKind::Denied);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&path, "\x7fELF no such thing").unwrap();
    assert_eq!(kind(&case).await, FaultKind::NotAPlugin);
    fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    assert_eq!(kind(&case).await, FaultKind::NotFound);
    fs::write(&path, "#!/bin/sh\nexit 5\n").unwrap();
    assert!(matches!(case.refused().await, StartError::Exited { .. }));
    case.spec.executable = "/no/such/file".into();
    assert_eq!(kind(&case).await, FaultKind::NotFound);
}

/// H26: nobody listens.
#[tokio::test]
async fn h26_no_socket() {
    let error = Case::script("echo \"1|1|unix|$PLUGIN_UNIX_SOCKET_DIR/plugin1|netrpc|\"; sleep 600")
        .refused()
        .await;
    assert!(matches!(error, StartError::Connect { .. }), "{error}");
    let error = Case::script("echo '1|1|tcp|127.0.0.1:1|netrpc|'; sleep 600")
        .refused()
        .await;
    assert!(matches!(error, StartError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn switched_off() {
    let mut case = Case::script("exit 0");
    case.spec.environment = EnvironmentPolicy::Off;
    assert!(matches!(case.refused().await, StartError::Off));
}

/// H25 from the host's side: the folder that it would hand out.
#[tokio::test]
async fn a_folder_too_long_for_a_socket() {
    let mut case = Case::script("exit 0");
    let long = case.folder.path().join("y".repeat(100));
    fs::create_dir(&long).unwrap();
    case.spec.folder = Some(long);
    assert!(matches!(case.refused().await, StartError::SocketFolder { .. }));
}

/// A launcher that was given nonsense, and one that may not become another user.
#[tokio::test]
async fn launch_steps_are_told_apart() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rollcage-launch"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("rollcage-launcher|order|0|"));
    let mut case = Case::script("exit 0");
    if rustix_is_root() {
        return;
    }
    case.spec.identity = Some((0, 0));
    match case.refused().await {
        StartError::Launch { step, .. } => assert_eq!(step, LaunchStep::Identity),
        other => panic!("{other}"),
    }
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A plugin whose socket this test serves: what it says there.
async fn served(answer: &[u8]) -> (Case, rollcage_goplugin::NativePlugin, tokio::net::UnixStream) {
    let case = Case::script("echo \"1|1|unix|$SOCKET|netrpc|\"; exec sleep 600");
    let socket = case.folder.path().join("s.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut case = case;
    case.spec
        .env
        .insert("SOCKET".into(), socket.to_string_lossy().into_owned());
    let (plugin, accepted) = tokio::join!(case.start(), listener.accept());
    let (mut stream, _) = accepted.unwrap();
    // The three streams.
    let mut opened = [0; 36];
    stream.read_exact(&mut opened).await.unwrap();
    assert_eq!([opened[7], opened[19], opened[31]], [1, 3, 5]);
    tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
    (case, plugin.unwrap(), stream)
}

/// L06, L07, Y10: a peer that never answers, that is frozen, that speaks something else.
#[tokio::test]
async fn l06_l07_silence_and_nonsense() {
    let (case, plugin, stream) = served(&[]).await;
    let error = plugin.ping(Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, RpcError::Deadline { .. }), "{error}");
    drop(stream);
    // The connection is over, the process is not: it is ended.
    let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    assert_eq!(exit.to_string(), "was ended by its host");
    case.nothing_is_left().await;

    let (case, plugin, _stream) = served(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = plugin.ping(SOON).await.unwrap_err();
    assert!(
        matches!(&error, RpcError::Session(error) if matches!(**error, SessionError::Frame(_)))
            || matches!(error, RpcError::Shutdown),
        "{error}"
    );
    let fault = plugin.fault(rollcage_core::Phase::Call, &error).await;
    assert!(
        matches!(fault.kind, FaultKind::InvalidAnswer | FaultKind::Exit),
        "{fault}"
    );
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// L09, L15: children and daemons go with the plugin; dropping it is enough.
#[tokio::test]
async fn l09_children_and_daemons() {
    let script = "sleep 601 & setsid sleep 602 & (setsid sh -c 'sleep 603 & exec sleep 604' &) ; ";
    let mut case = Case::script(&format!("{script} echo nonsense; exec sleep 600"));
    case.refused().await;
    // And without any chance for the host to do it in order.
    fs::write(&case.spec.executable, format!("#!/bin/sh\n{script} exec sleep 600\n")).unwrap();
    case.spec.patience.start = SOON;
    assert!(timeout(Duration::from_millis(700), case.start()).await.is_err());
    case.nothing_is_left().await;
}
