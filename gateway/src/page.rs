//! The project's static files: a page at `/` where the template has no such route, and folders beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tower_http::services::ServeDir;

#[derive(Clone, Debug)]
pub(crate) struct Page {
    files: ServeDir,
    /// By the path that they are served below.
    folders: Vec<(String, ServeDir)>,
}

impl Page {
    pub(crate) fn new(folder: &Path, folders: &BTreeMap<String, PathBuf>) -> Self {
        let folders = folders.iter().map(|(path, folder)| (path.clone(), ServeDir::new(folder))).collect();
        Self { files: ServeDir::new(folder), folders }
    }

    /// The file, if the request is for one that exists.
    pub(crate) fn serve(&self, request: &Request) -> impl Future<Output = Option<Response>> + Send + use<> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut copy = Request::new(Body::empty());
        *copy.method_mut() = request.method().clone();
        *copy.headers_mut() = request.headers().clone();
        let below = self.folders.iter().find_map(|(path, files)| {
            let rest = request.uri().path().strip_prefix(path.as_str())?;
            Some((files, rest.starts_with('/').then(|| rest.parse().ok())??))
        });
        let (files, uri) = below.unwrap_or_else(|| (&self.files, request.uri().clone()));
        *copy.uri_mut() = uri;
        let mut files = files.clone();
        async move {
            let response = if reads { files.try_call(copy).await.ok()? } else { return None };
            if response.status() == StatusCode::NOT_FOUND {
                return None;
            }
            let mut response = response.map(Body::new);
            // The files are everybody's, and a module is imported by pages of other origins too.
            let everybody = HeaderValue::from_static("*");
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
            // A change to the page should be seen at the next load.
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Some(response)
        }
    }
}
