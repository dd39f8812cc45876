//! One instance's process: its environment, its output, its limits and its end.

use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::instances::{INIT_LIMIT, Pool};
use crate::runtime_api::{Desk, Due};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";

/// What functions may see of the gateway's own environment.
const INHERITED: [&str; 4] = ["PATH", "HOME", "RUST_LOG", "RUST_BACKTRACE"];
/// A longer line of output is shown in pieces.
const LINE_LIMIT: u64 = 64 * 1024;
/// How long the last words of an ended process are waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs one instance from start to end and tells its pool why it ended.
pub(crate) async fn run(pool: Arc<Pool>, number: u64, stop: CancellationToken) {
    let cause = match launch(&pool, number).await {
        Ok(instance) => instance.keep(stop).await,
        Err(cause) => cause,
    };
    pool.lost(number, &cause);
}

struct Instance {
    desk: Arc<Desk>,
    child: Child,
    listener: TcpListener,
    output: Vec<JoinHandle<()>>,
    label: Arc<str>,
}

async fn launch(pool: &Arc<Pool>, number: u64) -> Result<Instance, String> {
    let executable = pool.executable.as_ref().ok_or("no executable was built for it")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| format!("no port for its runtime API: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("no port for its runtime API: {error}"))?;
    let mut command = Command::new(executable);
    set_environment(&mut command, pool, address);
    if pool.function.code_uri.is_dir() {
        command.current_dir(&pool.function.code_uri);
    }
    let desk = Desk::new(Arc::clone(pool), number);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", executable.display()))?;
    yield_to_others(child.id());
    pool.set_process(number, child.id());
    let tasks = &pool.settings.tasks;
    let mut output = Vec::with_capacity(2);
    if let Some(stdout) = child.stdout.take() {
        output.push(tasks.spawn(show(stdout, Arc::clone(&pool.label), None)));
    }
    if let Some(stderr) = child.stderr.take() {
        output.push(tasks.spawn(show(stderr, Arc::clone(&pool.label), Some(Arc::clone(&desk)))));
    }
    Ok(Instance { desk, child, listener, output, label: Arc::clone(&pool.label) })
}

impl Instance {
    /// Serves the process until it ends or must end; returns the cause.
    async fn keep(self, stop: CancellationToken) -> String {
        let Self { desk, mut child, listener, output, label } = self;
        let listener = listener.tap_io(|stream| {
            // Without it, small answers wait for the acknowledgment of the packet before.
            let _ = stream.set_nodelay(true);
        });
        let mut server = std::pin::pin!(axum::serve(listener, desk.router()).into_future());
        let mut wake = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = &mut server => return "its runtime API ended".into(),
                // Before the process's end, which often follows at once and tells less.
                cause = desk.init_error() => {
                    kill(&mut child).await;
                    desk.end_with_instance(&cause);
                    return cause;
                }
                status = child.wait() => {
                    for task in output {
                        let _ = timeout(LAST_WORDS, task).await;
                    }
                    let cause = describe(status, &desk.last_words());
                    desk.end_with_instance(&cause);
                    return cause;
                }
                () = stop.cancelled() => {
                    kill(&mut child).await;
                    let cause = "its instance was killed";
                    desk.end_with_instance(cause);
                    return cause.into();
                }
                () = sleep_until(wake) => match desk.due(Instant::now(), INIT_LIMIT) {
                    Due::Later(then) => wake = then,
                    Due::Reaped => {
                        kill(&mut child).await;
                        return "it had no work".into();
                    }
                    Due::TimedOut => {
                        desk.time_out();
                        kill(&mut child).await;
                        return "its instance timed out".into();
                    }
                    Due::Stuck => {
                        kill(&mut child).await;
                        let cause = "it did not ask for another event after its answer";
                        tracing::error!("[{label}] an instance was killed: {cause}");
                        return cause.into();
                    }
                    Due::InitTimedOut => {
                        kill(&mut child).await;
                        return format!("it did not ask for an event within {} s of its start", INIT_LIMIT.as_secs());
                    }
                },
            }
        }
    }
}

async fn kill(child: &mut Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!("a function's process could not be killed: {error}");
    }
}

fn set_environment(command: &mut Command, pool: &Pool, runtime_api: SocketAddr) {
    let function = &pool.function;
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
        .envs(platform_variables())
        .env("_HANDLER", &function.handler)
        .env("LAMBDA_TASK_ROOT", &function.code_uri)
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .envs(&function.environment)
        .envs(&pool.settings.environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string());
}

/// What the platform tells every function about itself; credentials that open nothing.
pub(crate) fn platform_variables() -> [(&'static str, &'static str); 5] {
    [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
    ]
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

fn describe(status: std::io::Result<ExitStatus>, last_words: &str) -> String {
    let ended = match status {
        Ok(status) => format!("its process ended ({status})"),
        Err(error) => format!("its process was lost ({error})"),
    };
    if last_words.is_empty() { ended } else { format!("{ended}, last saying: {last_words}") }
}

/// Shows a function's output line by line as log lines; the desk remembers the last one, if it is to.
async fn show(output: impl AsyncRead + Unpin, label: Arc<str>, desk: Option<Arc<Desk>>) {
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
        if let Some(desk) = &desk {
            desk.hear(text);
        }
    }
}
