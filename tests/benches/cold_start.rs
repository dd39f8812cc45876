//! What a function costs: from its start until it is ready, without and with its connections, its first event and later
//! ones, its memory and size, beside a function that does nothing and beside two handlers in Node that do the same work.
//!
//! `cargo bench -p tests --bench cold_start`; `-- --functions create-message,register` measures these alone,
//! `--share` gives each the part of a core that Lambda gives a function of 256 MB, `--plain` leaves TLS out, whose
//! handshakes are most of a start, `--quiet` the line that each invocation logs.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "cold_start/backdrop.rs"]
mod backdrop;
#[path = "cold_start/cgroup.rs"]
mod cgroup;
#[path = "cold_start/endpoint.rs"]
mod endpoint;
#[path = "cold_start/functions.rs"]
mod functions;
#[path = "cold_start/gate.rs"]
mod gate;
#[path = "cold_start/instance.rs"]
#[allow(dead_code, reason = "what functions log is read elsewhere")]
mod instance;
#[path = "cold_start/lambda.rs"]
mod lambda;
#[path = "cold_start/peer.rs"]
mod peer;
#[path = "cold_start/scenes.rs"]
mod scenes;
#[path = "cold_start/table.rs"]
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use support::{App, wait_until};

use backdrop::Backdrop;
use cgroup::Share;
use functions::{executable, size_mb};
use instance::{Instance, Program};
use lambda::{Costs, Lambda, Phase, WARM};
use scenes::Scene;
use table::Row;

/// Instances of each function.
const STARTS: usize = 15;
/// What is measured of each, and how often.
const PHASES: [(Phase, usize); 3] =
    [(Phase::Start, STARTS), (Phase::Later, WARM + 1), (Phase::StartAlone, STARTS)];
/// The parts of a core of which a function of 256 MB has one: a whole one comes with 1,769 MB.
const PARTS: u32 = 7;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_given = |option: &str| arguments.iter().any(|argument| argument == option);
    let functions = functions::chosen(&arguments);
    let share = is_given("--share")
        .then(|| Arc::new(Share::one_of(PARTS).expect("this user may limit processes, as root may")));

    functions::build(&functions);
    let backdrop = Backdrop::start(is_given("--plain")).await;
    let environment = backdrop.environment(if is_given("--quiet") { "Text" } else { "JSON" });
    let program = |name: &str, command: Vec<PathBuf>| Program {
        name: name.to_owned(),
        command,
        environment: environment.clone(),
        share: share.clone(),
        is_heard: false,
        warns: true,
    };
    let floor = measure_floor(&program("hello", vec![executable("hello")])).await;
    println!("\n{}", table::HEAD);
    let floor = Row::new("hello", &floor, size_mb("hello"));
    floor.print(None);

    let rows = measure_all(functions::built(program), &functions, &PHASES, &backdrop).await;
    let rows: Vec<Row> =
        rows.into_iter().map(|(name, costs)| Row::new(&name, &costs, size_mb(&name))).collect();
    for row in &rows {
        row.print(Some(&floor));
    }
    match peer::install() {
        Err(why) => println!("node: skipped: {why}"),
        Ok(folder) => measure_peers(&folder, &rows, &program, &backdrop).await,
    }
    table::judge(&floor, &rows);
}

async fn measure_floor(program: &Program) -> Costs {
    let mut costs = Costs::default();
    let event = Bytes::from_static(br#"{"body":"{}","requestContext":{"routeKey":"default"}}"#);
    for start in 0..STARTS {
        let mut instance = Instance::start(program).await;
        let first = instance.invoke(event.clone()).await.0;
        // It has no connections.
        for (readies, firsts) in
            [(&mut costs.ready, &mut costs.first), (&mut costs.alone, &mut costs.connecting)]
        {
            readies.push(instance.ready);
            firsts.push(first);
        }
        costs.peak_mb.push(instance.peak_mb());
        for _ in 0..if start == 0 { WARM } else { 0 } {
            costs.warm.push(instance.invoke(event.clone()).await.0);
        }
        instance.stop().await;
    }
    costs
}

/// Has two users at a gateway use these programs, and takes the costs of some of them.
async fn measure_all(
    programs: Vec<Program>,
    measured: &[String],
    phases: &[(Phase, usize)],
    backdrop: &Backdrop,
) -> Vec<(String, Costs)> {
    let (url, lambda) = Lambda::start(programs, backdrop.ports()).await;
    let app = App::builder().on_store(&backdrop.store).invoked_at(&url).start().await;
    backdrop.lead_to(app.port());
    let mut scene = Scene::open(app).await;
    let mut all = Vec::new();
    for function in measured {
        for &(what, count) in phases {
            lambda.measure(function, what);
            for _ in 0..count {
                let before = lambda.costs().events();
                scene.have_work(function).await;
                // A client sees no more of some events than that they were taken.
                wait_until("the function's end", async || {
                    let now = lambda.costs();
                    now.events() > before || (what == Phase::Later && now.warm.is_empty())
                })
                .await;
            }
        }
        all.push((function.clone(), lambda.costs()));
    }
    all
}

/// Two of our functions in Node, which do not start without their store.
async fn measure_peers(
    folder: &std::path::Path,
    ours: &[Row],
    program: &impl Fn(&str, Vec<PathBuf>) -> Program,
    backdrop: &Backdrop,
) {
    let measured: Vec<String> = peer::HANDLERS
        .map(str::to_owned)
        .into_iter()
        .filter(|name| ours.iter().any(|row| row.is(name)))
        .collect();
    let command = |name: &str| match measured.iter().any(|other| other == name) {
        true => vec![PathBuf::from("node"), folder.join(format!("{name}.bundle.mjs"))],
        false => vec![executable(name)],
    };
    let programs = functions::built(|name, _| program(name, command(name)));
    for (name, costs) in measure_all(programs, &measured, &PHASES[..2], backdrop).await {
        let size = std::fs::metadata(folder.join(format!("{name}.bundle.mjs"))).unwrap().len() as f64 / 1e6;
        let theirs = Row::new(&format!("{name} in Node"), &costs, size);
        theirs.print(None);
        ours.iter().find(|row| row.is(&name)).unwrap().print_beside(&theirs);
    }
}
