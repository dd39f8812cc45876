//! An instance's process: its environment, its output and its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::aws;
use crate::project::Function;

/// The variables of the gateway's own environment that functions may see.
const INHERITED: [&str; 4] = ["PATH", "HOME", "RUST_LOG", "RUST_BACKTRACE"];
/// A longer line of output is shown in pieces.
const LINE_LIMIT: u64 = 64 * 1024;
/// How long the rest of an ended process's output is waited for. It is there already, but a busy machine may take its
/// time to read it.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A function's executable and what it is told when it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    pub(super) executable: &'a Path,
    pub(super) function: &'a Function,
    /// Over the function's own.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// As `AWS_LAMBDA_RUNTIME_API`.
    pub(super) runtime_api: &'a str,
}

/// A running process and all that it starts: one group, which is killed as a whole, at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Missing once the group has been killed.
    group: Option<Pid>,
    output: Vec<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

impl Process {
    /// Starts the program. Its output is logged under `label`, by `tasks`; each line of its standard error is also
    /// given to `on_stderr_line`.
    pub(super) fn start(
        program: Program<'_>,
        label: &Arc<str>,
        tasks: &TaskTracker,
        on_stderr_line: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, String> {
        let mut command = Command::new(program.executable);
        set_environment(&mut command, program);
        if program.function.code_uri.is_dir() {
            command.current_dir(&program.function.code_uri);
        }
        // Ctrl-C in a terminal reaches the foreground group; a function at work is to finish instead.
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.executable.display()))?;
        yield_to_others(child.id());
        let mut output = Vec::with_capacity(2);
        if let Some(stdout) = child.stdout.take() {
            output.push(tasks.spawn(log(stdout, Arc::clone(label), |_| {})));
        }
        if let Some(stderr) = child.stderr.take() {
            output.push(tasks.spawn(log(stderr, Arc::clone(label), on_stderr_line)));
        }
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { child, group, output })
    }

    /// The process id, while the process runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process has ended, and says how. What it had started ends with it, as its environment would.
    pub(super) async fn wait(&mut self) -> String {
        let ended = self.child.wait().await;
        self.kill_group();
        match ended {
            Ok(status) => describe(status),
            Err(error) => format!("its process was lost ({error})"),
        }
    }

    /// Waits until the output of the ended process has been read, with a bound: one that left its group may hold it
    /// open.
    pub(super) async fn finish_output(mut self) {
        let _ = timeout(OUTPUT_TIMEOUT, join_all(std::mem::take(&mut self.output))).await;
    }

    /// Asks the process to end, and kills it where it does not within `grace`; without any, at once.
    pub(super) async fn end(&mut self, grace: Duration) {
        if let Some(process) = self.group.filter(|_| !grace.is_zero())
            && kill_process(process, Signal::TERM).is_ok()
        {
            let _ = timeout(grace, self.child.wait()).await;
        }
        self.kill().await;
    }

    pub(super) async fn kill(&mut self) {
        self.kill_group();
        if let Err(error) = self.child.kill().await {
            tracing::warn!("a function's process could not be killed: {error}");
        }
    }
}

impl Process {
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // It fails where all of them have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn describe(status: ExitStatus) -> String {
    format!("its process ended ({status})")
}

fn set_environment(command: &mut Command, program: Program<'_>) {
    let Program { function, environment, runtime_api, .. } = program;
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", Uuid::new_v4().simple()))
        .envs(aws::VARIABLES)
        .env("_HANDLER", &function.handler)
        .env("LAMBDA_TASK_ROOT", &function.code_uri)
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .envs(&function.environment)
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api);
}

/// Lets a function that wakes wait for the process that is running instead of interrupting it: the gateway then
/// serves several instances at a time, with fewer switches between processes. Where it fails, all is only slower.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn yield_to_others(process: Option<u32>) {
    let Some(process) = process.and_then(|process| process.try_into().ok()) else { return };
    let _ =
        uapi::sched_setscheduler(process, uapi::c::SCHED_BATCH, &uapi::c::sched_param { sched_priority: 0 });
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn yield_to_others(_: Option<u32>) {}

/// Logs a function's output line by line.
async fn log(output: impl AsyncRead + Unpin, label: Arc<str>, on_line: impl Fn(&str)) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut output).take(LINE_LIMIT).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        tracing::info!("[{label}] {text}");
        on_line(text);
    }
}
