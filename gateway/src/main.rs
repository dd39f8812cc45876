//! `cargo run`: the project, served locally until Ctrl-C.

mod cli;
mod summary;

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use gateway::server::Gateway;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use cli::Cli;
use summary::{Style, describe};

/// On one thread: moving work from thread to thread cost a fifth of its time, and the functions need the other
/// cores more.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbosity());
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    let mut stopped = std::pin::pin!(wait_for_signal()?);
    let remote = cli.lambda_url().map(str::to_owned);
    let options = cli.into_options()?;
    let gateway = tokio::select! {
        started = Gateway::start(options) => started.map_err(|error| error.to_string())?,
        // Dropping the start stops whatever it had started.
        () = &mut stopped => return Err("stopped before everything ran".to_owned()),
    };
    let style = Style { colored: io::stdout().is_terminal() };
    let mut stdout = io::stdout().lock();
    // The output may be closed; the gateway runs all the same.
    let _ = stdout
        .write_all(describe(&gateway, remote.as_deref(), style).as_bytes())
        .and_then(|()| stdout.flush());
    drop(stdout);
    stopped.await;
    eprintln!("Stopping …");
    let again = wait_for_signal()?;
    tokio::select! {
        () = gateway.stop() => Ok(()),
        () = again => Err("stopped by force".to_owned()),
    }
}

/// Waits for Ctrl-C, a termination signal, or the end of the terminal.
fn wait_for_signal() -> Result<impl Future<Output = ()>, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("Signals cannot be received: {error}"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

fn log(verbosity: u8) {
    let level = match verbosity {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(verbosity > 1)
        .with_ansi(io::stderr().is_terminal())
        .with_timer(Clock)
        .with_writer(io::stderr)
        .init();
}

/// The time of day: a log on a screen needs no date.
struct Clock;

impl tracing_subscriber::fmt::time::FormatTime for Clock {
    fn format_time(&self, writer: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", chrono::Utc::now().format("%H:%M:%S%.3f"))
    }
}
