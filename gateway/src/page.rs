//! The project's static page, at `/` where the template has no such route.

use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tower_http::services::ServeDir;

#[derive(Clone, Debug)]
pub(crate) struct Page {
    files: ServeDir,
}

impl Page {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { files: ServeDir::new(folder) }
    }

    /// The file, if the request is for one that exists.
    pub(crate) fn serve(&self, request: &Request) -> impl Future<Output = Option<Response>> + Send + use<> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut copy = Request::new(Body::empty());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        let mut files = self.files.clone();
        async move {
            let response = if reads { files.try_call(copy).await.ok()? } else { return None };
            if response.status() == StatusCode::NOT_FOUND {
                return None;
            }
            let mut response = response.map(Body::new);
            // A change to the page should be seen at the next load.
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Some(response)
        }
    }
}
