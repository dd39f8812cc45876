//! An endpoint that speaks the Lambda Invoke API.

use axum::Router;
use axum::handler::Handler;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::instance::spawn;

/// Serves invocations from now on, and returns where.
pub(crate) async fn serve<T: 'static, S: Clone + Send + Sync + 'static>(
    invoke: impl Handler<T, S>,
    lambda: S,
) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router =
        Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(lambda);
    spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    url
}
