//! Go's opinion: `tests/oracle`, built once into the target folder and asked over pipes.

use std::{
    env,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

#[path = "borrowed.rs"]
mod borrowed;

use borrowed::BORROWED;

/// A running oracle.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    requests: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

/// What Go said: a result, or its error's text.
pub type Answer = Result<Value, String>;

impl Oracle {
    /// Builds and starts the oracle. Without Go (or without the modules it needs) this prints one line and is `None`, so
    /// that a test can skip; with `CI=true` it is an error.
    pub fn start() -> anyhow::Result<Option<Self>> {
        static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let mut first = false;
        let built = PROGRAM.get_or_init(|| {
            first = true;
            build().map_err(|error| format!("{error:#}"))
        });
        match built {
            Ok(program) => Self::run(program).map(Some),
            Err(error) if env::var("CI").is_ok_and(|ci| ci == "true") => bail!("not compared with Go: {error}"),
            Err(error) => {
                if first {
                    // Past the test harness, which hides what passing tests print.
                    writeln!(std::io::stderr(), "skipped: not compared with Go: {error}")?;
                }
                Ok(None)
            }
        }
    }

    fn run(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let requests = child.stdin.take().map(BufWriter::new);
        let answers = BufReader::new(child.stdout.take().context("the oracle has no output")?);
        Ok(Self {
            child,
            requests,
            answers,
        })
    }

    /// Asks one thing.
    pub fn ask(&mut self, op: &str, args: &Value) -> anyhow::Result<Answer> {
        let mut answers = self.ask_all(op, std::slice::from_ref(args))?;
        answers.pop().context("no answer")
    }

    /// Asks many things at once; the answers come in the same order.
    pub fn ask_all(&mut self, op: &str, args: &[Value]) -> anyhow::Result<Vec<Answer>> {
        let requests = self.requests.as_mut().context("the oracle has no input")?;
        let answers = &mut self.answers;
        thread::scope(|scope| {
            let sender = scope.spawn(move || -> anyhow::Result<()> {
                for args in args {
                    writeln!(requests, "{}", json!({ "op": op, "args": args }))?;
                }
                requests.flush()?;
                Ok(())
            });
            let answers = args.iter().map(|_| read_answer(answers)).collect();
            match sender.join() {
                Ok(sent) => sent?,
                Err(_) => bail!("sending to the oracle failed"),
            }
            answers
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // End of input ends it.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn read_answer(answers: &mut impl BufRead) -> anyhow::Result<Answer> {
    let mut line = String::new();
    ensure!(answers.read_line(&mut line)? > 0, "the oracle ended early");
    let answer: Value = serde_json::from_str(&line).context("the oracle's answer is no JSON")?;
    if answer.get("ok") == Some(&Value::Bool(true)) {
        return Ok(Ok(answer.get("result").cloned().unwrap_or_default()));
    }
    let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    ensure!(!error.starts_with("no such operation"), "{error}");
    Ok(Err(error.to_owned()))
}

fn build() -> anyhow::Result<PathBuf> {
    // Other crates' tests include this file, so as not to depend on all that this crate needs.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("tests/oracle/go.mod").is_file())
        .context("no folder tests/oracle")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("oracle");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join("oracle");
    // Go's own cache makes this quick when nothing changed; the rename keeps a running oracle of another test whole.
    let fresh = folder.join(format!("oracle-{}", std::process::id()));
    let source = root.join("tests/oracle");
    let overlay = overlay(&source, &folder)?;
    let mut build = Command::new("go");
    build
        .args(["build", "-buildvcs=false", "-tags", "original", "-overlay"])
        .arg(overlay);
    go(build.arg("-o").arg(&fresh).arg(".").current_dir(source))?;
    std::fs::rename(&fresh, &program)?;
    Ok(program)
}

/// Lets the build find what the original does not export, or only with all its clients: its own files, out of the module
/// cache, in packages of ours.
fn overlay(source: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    const MODULE: &str = "github.com/argoproj/argo-rollouts";
    let module = go(Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", MODULE])
        .current_dir(source))?;
    let process = std::process::id();
    let mut places = serde_json::Map::new();
    for file in BORROWED {
        let original = Path::new(module.trim()).join(file.from);
        let text = std::fs::read_to_string(&original).with_context(|| original.display().to_string())?;
        let text = file.changed(&text).with_context(|| original.display().to_string())?;
        let changed = folder.join(file.place.replace('/', "-"));
        replace(&changed, &text, process)?;
        places.insert(source.join(file.place).to_string_lossy().into_owned(), json!(changed));
    }
    let overlay = folder.join("overlay.json");
    replace(&overlay, &json!({"Replace": places}).to_string(), process)?;
    Ok(overlay)
}

/// Writes a file that other tests may be reading, and leaves it alone when nothing changed.
fn replace(path: &Path, text: &str, process: u32) -> anyhow::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let fresh = path.with_extension(process.to_string());
    std::fs::write(&fresh, text)?;
    Ok(std::fs::rename(&fresh, path)?)
}

/// What Go prints.
fn go(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("go is not installed")?;
    ensure!(
        output.status.success(),
        "go failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
