//! The server as a process of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rollcage_api::plugin::PluginKind;
use rollcage_gob::{Encoder, types, wire};
use rollcage_goplugin::CallLimits;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Case, SOON};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rollcage-serve");

fn command(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("TMPDIR", folder)
        .env("ARGO_ROLLOUTS_RPC_PLUGIN", "step")
        .env("PLUGIN_PROTOCOL_VERSIONS", "1")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// A server that has said where it listens.
fn started(mut command: Command) -> (Child, BufReader<ChildStdout>, PathBuf) {
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let path = line
        .strip_prefix("1|1|unix|")
        .and_then(|rest| rest.strip_suffix("|netrpc|\n"));
    let path = PathBuf::from(path.unwrap_or_else(|| panic!("{line:?}")));
    (child, stdout, path)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn h15_by_hand_it_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for cookie in ["", "other"] {
        let mut command = command(folder.path(), &[("ARGO_ROLLOUTS_RPC_PLUGIN", cookie)]);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(stderr.starts_with("This binary is a plugin."), "{stderr}");
        assert_eq!(stderr.lines().count(), 3);
    }
}

#[test]
fn h23_one_version_whatever_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    for versions in ["", "2,1", "x,1", "2"] {
        // `started` insists on version 1.
        let (mut child, _stdout, _) = started(command(folder.path(), &[("PLUGIN_PROTOCOL_VERSIONS", versions)]));
        kill_process(pid(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn h24_the_socket_is_where_and_whose_the_host_wants() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    // A group of ours: without privileges there may be no other.
    let group = other.path().metadata().unwrap().gid();
    let variables = [
        ("PLUGIN_UNIX_SOCKET_DIR", other.path().to_str().unwrap()),
        ("PLUGIN_UNIX_SOCKET_GROUP", &group.to_string()),
    ];
    let (mut child, _stdout, path) = started(command(folder.path(), &variables));
    assert_eq!(path.parent(), Some(other.path()));
    let socket = path.metadata().unwrap();
    assert_eq!((socket.gid(), socket.mode() & 0o777), (group, 0o660));
    kill_process(pid(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert!(!path.exists());
}

/// There is no line, but a reason.
#[test]
fn h25_a_folder_that_is_too_deep() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("x".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let output = command(&deep, &[]).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(stderr.contains("at most 107 bytes"), "{stderr}");
}

#[test]
fn h27_interrupts_are_for_the_host_and_sigterm_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut stdout, path) = started(command(folder.path(), &[]));
    for _ in 0..3 {
        kill_process(pid(&child), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    UnixStream::connect(&path).unwrap();
    kill_process(pid(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert!(!path.exists());
    let mut more = String::new();
    stdout.read_to_string(&mut more).unwrap();
    assert_eq!(more, "", "nothing but the line is written to standard output");
}

/// Whoever has read the line can connect: a thousand times.
#[test]
fn h29_it_listens_before_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    let (mut child, _stdout, path) = started(command(folder.path(), &[]));
                    UnixStream::connect(&path).unwrap();
                    child.kill().unwrap();
                    child.wait().unwrap();
                }
            });
        }
    });
}

/// Nobody is left to end it.
#[test]
fn l10_it_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new("/bin/sh");
    host.args(["-c", "\"$0\" & wait", PROGRAM])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (name, value) in command(folder.path(), &[]).get_envs() {
        host.env(name, value.unwrap());
    }
    let (mut host, mut stdout, path) = started(host);
    let _connected = UnixStream::connect(&path).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    soon("it outlives its parent", || !path.exists());
    // The end of its standard output is its own.
    stdout.read_to_string(&mut String::new()).unwrap();
}

/// From our own host's start to its farewell: every kind.
#[tokio::test]
async fn a_host_of_ours_starts_it_and_lets_it_go() {
    for kind in PluginKind::ALL {
        let mut case = Case::of(PROGRAM);
        case.spec.plugin.kind = kind;
        // Other tests keep the processors busy.
        case.spec.patience.quit = SOON;
        let plugin = case.start().await.unwrap();
        plugin.ping(SOON).await.unwrap();
        let service = plugin.dispense(CallLimits::default(), SOON).await.unwrap();
        let nil = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.nil_interface(to);
            Ok(())
        };
        let init = |value: rollcage_gob::Value<'_, '_>| value.decode::<wire::RpcError>(types::TYPES_RPC_ERROR);
        let init = service.call("Plugin.InitPlugin", nil, init, SOON).await.unwrap();
        assert_eq!(init.error_string, "");
        let name = |value: rollcage_gob::Value<'_, '_>| value.decode::<String>(types::STRING);
        assert_eq!(
            service.call("Plugin.Type", nil, name, SOON).await.unwrap(),
            "test/nothing"
        );
        drop(service);
        let exit = plugin.quit().await.unwrap();
        assert_eq!((exit.status.code(), exit.killed, exit.strays), (Some(0), None, 0));
        // hclog's line came as such.
        assert!(case.log.lock().unwrap().iter().any(|record| record.message == "served"));
        case.nothing_is_left().await;
    }
}
