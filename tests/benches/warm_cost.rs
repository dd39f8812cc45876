//! What later events of a function cost: round trips, commands and bytes to a store on this machine, pushes, CPU time,
//! and the time that they take beside that of the round trips which they have to make.
//!
//! `cargo bench -p tests --bench warm_cost`; `-- --functions create-message,register` measures these alone.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "cold_start/backdrop.rs"]
#[allow(dead_code, reason = "starts are measured elsewhere")]
mod backdrop;
#[path = "cold_start/cgroup.rs"]
#[allow(dead_code, reason = "functions have the whole of a core here")]
mod cgroup;
#[path = "cold_start/endpoint.rs"]
mod endpoint;
#[path = "cold_start/functions.rs"]
#[allow(dead_code, reason = "starts are measured elsewhere")]
mod functions;
#[path = "cold_start/instance.rs"]
#[allow(dead_code, reason = "starts are measured elsewhere")]
mod instance;
#[path = "warm_cost/lambda.rs"]
mod lambda;
#[path = "warm_cost/operation.rs"]
mod operation;
#[path = "cold_start/scenes.rs"]
mod scenes;
#[path = "warm_cost/trips.rs"]
mod trips;

use std::sync::Arc;

use support::proxy::CountingProxy;
use support::{App, wait_until};

use backdrop::Backdrop;
use instance::Program;
use lambda::{Lambda, Proxies, Served};
use operation::Operation;
use scenes::Scene;
use trips::Trips;

/// How often each function has work, counted and then timed; some of it takes several events.
const COUNTED: usize = 5;
const TIMED: usize = 40;

/// Events of an instance before they count: the first ones connect, and send scripts whole.
const LEARNING: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let functions = functions::chosen(&arguments);
    functions::build(&functions);
    let backdrop = Backdrop::start(true).await;

    let proxies = functions.iter().map(|name| (name.clone(), CountingProxy::start(backdrop.store.port())));
    let counted = serve(&backdrop, &functions, Arc::new(proxies.collect()), COUNTED).await.0;
    let (timed, trips) = serve(&backdrop, &functions, Proxies::default(), TIMED).await;

    println!("\n{trips}\n{}", operation::HEAD);
    let mut worst = None;
    for function in &functions {
        let of = |all: &[Served]| all.iter().filter(|one| one.function == *function).cloned().collect();
        for operation in Operation::all(of(&counted), of(&timed), &trips) {
            println!("{operation}");
            if worst.as_ref().is_none_or(|worst: &Operation| operation.ratio() > worst.ratio()) {
                worst = Some(operation);
            }
        }
    }
    if let Some(worst) = worst {
        println!("\ntime over that of its round trips: {:.2} at most, {}", worst.ratio(), worst.name());
    }
}

/// Has two users at a gateway give these functions work so often, which reach the store by these proxies, if there are
/// any. What that took, and what round trips took meanwhile.
async fn serve(
    backdrop: &Backdrop,
    functions: &[String],
    proxies: Proxies,
    times: usize,
) -> (Vec<Served>, Trips) {
    let programs = functions::built(|name, command| {
        let mut environment = backdrop.environment("JSON");
        if let Some(proxy) = proxies.get(name) {
            environment.insert("REDIS_URL".to_owned(), proxy.url());
        }
        Program { name: name.to_owned(), command, environment, share: None, is_heard: true, warns: true }
    });
    let (url, lambda) = Lambda::start(programs, proxies).await;
    let app = App::builder().on_store(&backdrop.store).invoked_at(&url).start().await;
    backdrop.lead_to(app.port());
    let mut trips = Trips::start(&backdrop.store, app.port()).await;
    let mut scene = Scene::open(app).await;
    for function in functions {
        for _ in 0..times + LEARNING {
            let before = lambda.count(function);
            scene.have_work(function).await;
            wait_until("the function's end", async || lambda.count(function) > before).await;
        }
        trips.measure().await;
    }
    (lambda.served(), trips)
}
