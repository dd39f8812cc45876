//! A proxy that loses the network for a while.

use tokio::io::copy_bidirectional;
use tokio::sync::watch;

use super::{Proxy, connect};

/// A plain proxy; while it is cut, nothing comes through, and what was open is lost.
#[derive(Debug)]
pub struct CuttableProxy {
    proxy: Proxy,
    is_whole: watch::Sender<bool>,
}

impl CuttableProxy {
    /// Before the server that listens on this port.
    pub fn start(server: u16) -> Self {
        let (is_whole, watched) = watch::channel(true);
        let proxy = Proxy::start(move |mut client| {
            let mut watched = watched.clone();
            async move {
                if !*watched.borrow_and_update() {
                    return Ok(());
                }
                let mut server = connect(server).await?;
                tokio::select! {
                    copied = copy_bidirectional(&mut client, &mut server) => copied.map(drop),
                    _ = watched.changed() => Ok(()),
                }
            }
        });
        Self { proxy, is_whole }
    }

    /// As browsers know it; without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.proxy.port)
    }

    /// Ends all connections, and lets none through.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}
