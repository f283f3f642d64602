//! The command line: what can be typed, with examples.

mod migrate;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rollcage_api::{ByteSize, GoDuration, plugin::PluginKind};

pub use migrate::MigrateArgs;

/// Argo Rollouts plugins as sandboxed WebAssembly components, and native ones beside them.
#[derive(Debug, Parser)]
#[command(name = "rollcage", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// How results are written to standard output.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Folder for plugin bytes and compiled code [default: $XDG_CACHE_HOME/rollcage].
    #[arg(
        long,
        global = true,
        env = "ROLLCAGE_CACHE_DIR",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub cache_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// What native plugins may see of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NativePolicy {
    /// As under Argo Rollouts: shell basics, cluster, proxies, certificates.
    Argo,
    /// PATH, HOME, TMPDIR and what the entry's `env` names.
    Restricted,
    /// Native plugins do not run.
    Off,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run in a cluster: load plugins and reconcile AnalysisRuns.
    #[command(after_help = CONTROLLER_EXAMPLES)]
    Controller(ControllerArgs),
    /// Play the manifests of a folder against an in-process Kubernetes API, without a cluster.
    #[command(after_help = DEV_EXAMPLES)]
    Dev(DevArgs),
    /// Create, look into, call and measure plugins, without a cluster.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Show what is serving in a cluster, and why something is not.
    #[command(after_help = PLUGINS_EXAMPLES)]
    Plugins(PluginsArgs),
    /// Serve a component to the stock Argo Rollouts controller, which starts this as one of its plugins.
    #[command(after_help = SHIM_EXAMPLES)]
    Shim(ShimArgs),
    /// Tell what would fail if Rollcage took over from a stock Argo Rollouts controller, and what to do about each.
    #[command(after_help = migrate::EXAMPLES)]
    Migrate(MigrateArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  rollcage completion bash > /etc/bash_completion.d/rollcage")]
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// The compiler's child process: component on standard input, compiled code to a file.
    #[command(hide = true)]
    Compile {
        /// Arguments of the compiler.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

const CONTROLLER_EXAMPLES: &str = "Examples:
  rollcage controller                                        in a pod, by its service account
  rollcage controller --kubeconfig ~/.kube/config            from outside, for a look
  rollcage controller --instance-id rollcage --logformat json

docs/controller.md holds the flags against those of the stock controller.";

/// Arguments of `controller`.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// Kubeconfig to use in place of the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// With --namespaced: the namespace to work on [default: the pod's, or the kubeconfig context's].
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Work on the objects of one namespace only.
    #[arg(long)]
    pub namespaced: bool,
    /// Work only on objects whose label argo-rollouts.argoproj.io/controller-instance-id is this; without an id, only on
    /// those without the label.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true, value_parser = parse_label)]
    pub instance_id: String,
    /// AnalysisRuns that are worked on at the same time; waiting for a plugin does not count.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub analysis_threads: usize,
    /// Requests a second to the API server, for each kind of request: AnalysisRuns, built-in kinds, Events, our own.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub qps: u32,
    /// Requests at once after a quiet time.
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub burst: u32,
    /// Requests a second of all plugins together, who take turns.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub plugin_qps: u32,
    /// Requests of plugins at once after a quiet time.
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub plugin_burst: u32,
    /// Every AnalysisRun that has not ended is looked at this often, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub rollout_resync: u64,
    /// Let one replica of several work, chosen by a Lease.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub leader_elect: bool,
    /// How long a Lease counts that its holder does not renew.
    #[arg(long, value_name = "D", default_value = "15s")]
    pub leader_election_lease_duration: GoDuration,
    /// How long a leader that cannot renew its Lease goes on.
    #[arg(long, value_name = "D", default_value = "10s")]
    pub leader_election_renew_deadline: GoDuration,
    /// Pause between two tries to take or renew the Lease.
    #[arg(long, value_name = "D", default_value = "2s")]
    pub leader_election_retry_period: GoDuration,
    /// How long plugins may take to load before this replica counts as ready, and stands for election, all the same.
    #[arg(long, value_name = "D", default_value = "60s")]
    pub leader_warmup: GoDuration,
    /// End when a plugin of the first configuration does not become ready, as the stock controller does.
    #[arg(long)]
    pub strict_plugins: bool,
    /// Port of /healthz and /readyz.
    #[arg(long = "healthzPort", value_name = "PORT", default_value_t = 8080)]
    pub healthz_port: u16,
    /// Port of /metrics.
    #[arg(
        long = "metricsPort",
        alias = "metricsport",
        value_name = "PORT",
        default_value_t = 8090
    )]
    pub metrics_port: u16,
    /// Port of /debug/plugins, on 127.0.0.1 only; 0: none.
    #[arg(long = "debugPort", value_name = "PORT", default_value_t = 8091)]
    pub debug_port: u16,
    /// Least important lines that are logged.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub loglevel: LogLevel,
    /// How lines of the log are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub logformat: LogFormat,
    /// Native plugins.
    #[command(flatten)]
    pub native: NativeArgs,
}

impl ControllerArgs {
    /// What is logged. What the Kubernetes client says is left out: it repeats whole answers, and we say what failed.
    pub fn log_filter(&self) -> String {
        let level = match self.loglevel {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        format!("{level},kube_client=off,kube_runtime=off")
    }
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For those who look for a defect.
    Debug,
    /// What happens.
    Info,
    /// What somebody should look at.
    #[value(alias = "warning")]
    Warn,
    /// What does not work.
    Error,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const DEV_EXAMPLES: &str = "Examples:
  rollcage dev examples/analysis                  play a scenario, with a live view on a terminal
  rollcage dev . --fast-forward                   an hour of intervals in seconds
  rollcage dev . --output json | jq .analysisRuns
  rollcage dev . --listen 127.0.0.1:8001          and: kubectl --server http://127.0.0.1:8001 get analysisruns

Exit status: 0 when every expectation holds, 1 when one does not, 2 when DIR cannot be read.";

const PLUGINS_EXAMPLES: &str = "Examples:
  rollcage plugins                                of the controller in argo-rollouts
  rollcage plugins -n rollcage --watch            again with every change
  rollcage plugins --output json | jq '.plugins[] | select(.ok | not)'

Exit status: 0 when every plugin is Ready, 1 when one is not, 3 when the cluster cannot be asked or no controller writes
there.";

/// Arguments of `plugins`.
#[derive(Debug, Args)]
pub struct PluginsArgs {
    /// How to reach the cluster [default: in a pod its service account, else KUBECONFIG or ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one].
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The controller's namespace [default: POD_NAMESPACE, else the pod's, else argo-rollouts].
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Shows it again whenever something changes, until interrupted; with --output json an object a line.
    #[arg(short, long)]
    pub watch: bool,
}

/// Native plugins.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct NativeArgs {
    /// Whether native plugins run, and what of the environment they see [default: argo for entries of argo-rollouts-config,
    /// restricted for all others].
    #[arg(long, value_enum, value_name = "POLICY")]
    pub native_plugins: Option<NativePolicy>,
    /// User and group that native plugins run as, by number [default: those of rollcage itself].
    #[arg(long, value_name = "UID:GID", value_parser = parse_identity)]
    pub native_user: Option<(u32, u32)>,
}

const SHIM_EXAMPLES: &str = "Example, in the ConfigMap argo-rollouts-config:
  metricProviderPlugins: |-
    - name: example/prometheus
      location: file:///opt/rollcage/rollcage
      args: [shim, --entry, /etc/rollcage/prometheus.yaml]

docs/shim.md shows the whole of it. Started by hand it only says what it is for (exit status 1).";

/// Arguments of `shim`.
#[derive(Debug, Args)]
pub struct ShimArgs {
    /// File with one plugin entry as in the ConfigMap: the component's. Read again when it changes.
    #[arg(long, value_name = "E.yaml", conflicts_with = "entry_from_configmap")]
    pub entry: Option<PathBuf>,
    /// Reads the component's entry from the ConfigMap rollcage-config, else argo-rollouts-config, of the controller's
    /// namespace, and again when it changes.
    #[arg(long)]
    pub entry_from_configmap: bool,
    /// Name of the component's entry [default: the one written in E.yaml, else the shim's own in argo-rollouts-config].
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub name: Option<String>,
}

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Folder with manifests (*.yaml, *.json) and, optionally, scenario.yaml.
    pub dir: PathBuf,
    /// Jump from one due time to the next instead of waiting.
    #[arg(long)]
    pub fast_forward: bool,
    /// Serve the in-process Kubernetes API here, so that kubectl can watch.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Native plugins.
    #[command(flatten)]
    pub native: NativeArgs,
    /// Recording of what plugins ask.
    #[command(flatten)]
    pub tape: TapeArgs,
}

/// Whether what plugins ask of their host is kept in a file, or answered out of one.
#[derive(Debug, Args)]
pub struct TapeArgs {
    /// Keeps the HTTP and Kubernetes exchanges of plugins in this file, secrets masked.
    #[arg(long, value_name = "SESSION.yaml", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Answers plugins out of this file, without network, and tells what they ask otherwise.
    #[arg(long, value_name = "SESSION.yaml")]
    pub replay: Option<PathBuf>,
}

/// What to do with a plugin.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Create a plugin project that builds.
    #[command(after_help = "Examples:
  rollcage plugin new latency --kind metric-provider --lang rust
  rollcage plugin new mesh --kind traffic-router --lang js")]
    New(NewArgs),
    /// Tell what a plugin is, what it imports and what it would like to reach.
    #[command(after_help = "Examples:
  rollcage plugin inspect target/plugins/prometheus.wasm
  rollcage plugin inspect plugin.wasm --entry entry.yaml   what is wished for and what is granted
  rollcage plugin inspect metrics-plugin-sample --run      a native plugin, started once
  rollcage plugin inspect plugin.wasm --output json | jq .wants")]
    Inspect(InspectArgs),
    /// Call one method of a plugin.
    #[command(after_help = "Examples:
  rollcage plugin call hello.wasm run -i input.yaml
  rollcage plugin call prometheus.wasm run -i input.yaml --allow-http prometheus.monitoring.svc:9090
  rollcage plugin call nginx.wasm set-weight -i input.yaml --entry entry.yaml --kube manifests/
  echo '{\"rollout\": {}, \"desiredWeight\": 10}' | rollcage plugin call nginx.wasm set-weight -i -

Exit status: 0 fine, 1 the plugin answered with an error (or asks otherwise than recorded), 2 usage or INPUT, 3 the plugin could not be
loaded, 4 a fault in init or in the call.")]
    Call(CallArgs),
    /// Run the cases of a plugin, and those that every plugin of its kind has.
    #[command(after_help = "Examples:
  rollcage plugin test latency.wasm                    cases.yaml beside it, else in this folder
  rollcage plugin test latency.wasm -f more.yaml --filter timeout
  rollcage plugin test latency.wasm --junit report.xml --output json | jq .failed

Exit status: 0 when every case holds, 1 when one does not (a fault that no case expects included), 2 when
the cases cannot be read, 3 when the plugin could not be loaded.")]
    Test(TestArgs),
    /// Measure how quickly a plugin answers.
    #[command(after_help = "Examples:
  rollcage plugin bench hello.wasm
  rollcage plugin bench hello.wasm -i input.yaml --calls 100000 --concurrency 16
  rollcage plugin bench hello.wasm --budget p99=100us")]
    Bench(BenchArgs),
    /// Compile components for every processor of this kind, into a folder for an image.
    #[command(after_help = "Example, in a Dockerfile:
  RUN rollcage plugin precompile --bundled plugins/*.wasm --out /layer
  ...
  COPY --from=build /layer /opt/rollcage/precompiled
  ENV ROLLCAGE_PRECOMPILED_DIR=/opt/rollcage/precompiled

The folder is used by the same version of rollcage alone, and only where nobody but root can write to it.")]
    Precompile(PrecompileArgs),
    /// Build the plugin project of a folder into a component.
    #[command(after_help = "Example:
  rollcage plugin build . -o latency.wasm")]
    Build(BuildArgs),
}

/// Arguments of `plugin new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the project, and of the folder that is created for it.
    pub name: String,
    /// What the plugin extends.
    #[arg(long, value_parser = parse_kind, value_name = "metric-provider|traffic-router|step")]
    pub kind: PluginKind,
    /// Language of the project.
    #[arg(long, value_enum)]
    pub lang: Language,
}

/// Language of a plugin project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with the SDK.
    Rust,
    /// JavaScript.
    Js,
}

/// Arguments of `plugin build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The project's folder.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The component [default: <folder's name>.wasm in the folder].
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `plugin precompile`.
#[derive(Debug, Args)]
pub struct PrecompileArgs {
    /// The components.
    #[arg(value_name = "FILE", required_unless_present = "bundled")]
    pub files: Vec<PathBuf>,
    /// Also the plugins that are part of this program.
    #[arg(long)]
    pub bundled: bool,
    /// The folder; it is made when it is not there.
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `plugin inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The plugin.
    pub file: PathBuf,
    /// One plugin entry as in the ConfigMap: shows what is wished for and not granted.
    #[arg(long, value_name = "E.yaml")]
    pub entry: Option<PathBuf>,
    /// What a native plugin extends, where its file does not tell.
    #[arg(long, value_parser = parse_kind, value_name = "metric-provider|traffic-router|step")]
    pub kind: Option<PluginKind>,
    /// Also runs `init` with the entry's args: in a throw-away instance; a native plugin is started for it.
    #[arg(long)]
    pub run: bool,
    /// Native plugins.
    #[command(flatten)]
    pub native: NativeArgs,
}

/// Which plugin is called, and what it may use.
#[derive(Debug, Args)]
pub struct PluginArgs {
    /// The plugin.
    pub file: PathBuf,
    /// One plugin entry as in the ConfigMap: limits, permissions, args, env.
    #[arg(long, value_name = "E.yaml")]
    pub entry: Option<PathBuf>,
    /// Replaces the plugin's own configuration in INPUT (YAML or JSON file).
    #[arg(long, value_name = "C")]
    pub config: Option<PathBuf>,
    /// The plugin's name [default: the entry's, else the only key of INPUT's plugin map].
    #[arg(long)]
    pub name: Option<String>,
    /// What a native plugin extends, where its file does not tell.
    #[arg(long, value_parser = parse_kind, value_name = "metric-provider|traffic-router|step")]
    pub kind: Option<PluginKind>,
    /// Grants an HTTP server: NAME:PORT, ADDRESS:PORT or CIDR:PORT.
    #[arg(long, value_name = "GRANT")]
    pub allow_http: Vec<String>,
    /// Loads the manifests of this folder into an in-process Kubernetes API for the plugin, and prints what it changed.
    #[arg(long, value_name = "DIR")]
    pub kube: Option<PathBuf>,
    /// Longest time of one call, such as 10s.
    #[arg(long, value_name = "D")]
    pub deadline: Option<GoDuration>,
    /// Memory of one instance, such as 64Mi.
    #[arg(long, value_name = "M")]
    pub memory: Option<ByteSize>,
    /// Native plugins.
    #[command(flatten)]
    pub native: NativeArgs,
}

/// Arguments of `plugin call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Which plugin, with which rights. (FILE comes before METHOD.)
    #[command(flatten)]
    pub plugin: PluginArgs,
    /// The contract's name of the method, such as run or set-weight.
    pub method: String,
    /// The method's arguments (YAML or JSON file, `-` for standard input).
    #[arg(short, long, value_name = "INPUT")]
    pub input: PathBuf,
    /// Recording of what the plugin asks.
    #[command(flatten)]
    pub tape: TapeArgs,
}

/// Arguments of `plugin test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The plugin.
    pub file: PathBuf,
    /// What a native plugin extends, where its file does not tell.
    #[arg(long, value_parser = parse_kind, value_name = "metric-provider|traffic-router|step")]
    pub kind: Option<PluginKind>,
    /// The cases [default: cases.yaml beside FILE, else in the working directory].
    #[arg(short = 'f', long = "cases", value_name = "CASES")]
    pub cases: Option<PathBuf>,
    /// Only cases with this text in their name; may be repeated.
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Stop at the first case that fails.
    #[arg(long)]
    pub fail_fast: bool,
    /// Only the cases of the file, not those that every plugin of its kind has.
    #[arg(long)]
    pub no_conformance: bool,
    /// Also writes the results as JUnit XML.
    #[arg(long, value_name = "OUT.xml")]
    pub junit: Option<PathBuf>,
    /// Native plugins.
    #[command(flatten)]
    pub native: NativeArgs,
    /// Recording of what the plugin asks.
    #[command(flatten)]
    pub tape: TapeArgs,
}

/// Arguments of `plugin bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Which plugin, with which rights.
    #[command(flatten)]
    pub plugin: PluginArgs,
    /// The method [default: run; for a traffic router set-weight].
    #[arg(long)]
    pub method: Option<String>,
    /// The method's arguments (YAML or JSON file, `-` for standard input) [default: the smallest possible].
    #[arg(short, long, value_name = "INPUT")]
    pub input: Option<PathBuf>,
    /// How many calls, after a tenth of that to warm up.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub calls: u32,
    /// Calls at the same time.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub concurrency: u32,
    /// Fails when a figure is above its budget: p50, p90 or p99, such as p99=100us.
    #[arg(long, value_name = "FIGURE=DURATION")]
    pub budget: Vec<String>,
}

/// A label's value, as Kubernetes wants it.
fn parse_label(text: &str) -> Result<String, String> {
    let is_alphanumeric = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let ends = is_alphanumeric(text.chars().next()) && is_alphanumeric(text.chars().next_back());
    let inside = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if ends && inside && text.len() <= 63 {
        Ok(text.to_owned())
    } else {
        Err("at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit".to_owned())
    }
}

fn parse_identity(text: &str) -> Result<(u32, u32), String> {
    let numbers = text
        .split_once(':')
        .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    numbers.ok_or_else(|| "two numbers, such as 65532:65532".to_owned())
}

fn parse_kind(text: &str) -> Result<PluginKind, String> {
    PluginKind::ALL
        .into_iter()
        .find(|kind| kind.world() == text)
        .ok_or_else(|| "one of metric-provider, traffic-router, step".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
