//! What comes in over a page's peer connections, and whether its pictures move.

use serde_json::json;

use crate::browser::Tab;

impl Tab {
    /// Watches peer connections, so that [`Self::expect_live_video`] can ask them. To be called before a call.
    pub(crate) async fn watch_calls(&self) {
        let script = "
            const Native = window.RTCPeerConnection;
            window.watched = [];
            window.RTCPeerConnection = class extends Native {
              constructor(...settings) { super(...settings); window.watched.push(this); }
            };";
        self.run(script, Vec::new()).await;
    }

    /// The video has a picture that moves.
    pub(crate) async fn expect_moving_picture(&self, selector: &str) {
        let shown = "(() => {
            const video = document.querySelector(arguments[0]);
            window.shownAt ??= video.videoWidth > 0 ? video.currentTime : undefined;
            return video.currentTime > window.shownAt;
        })()";
        self.run("window.shownAt = undefined", Vec::new()).await;
        self.until(shown, vec![json!(selector)]).await;
    }

    /// The same, and sound and picture keep coming in over the network.
    pub(crate) async fn expect_live_video(&self, selector: &str) {
        self.expect_moving_picture(selector).await;
        self.run("window.receivedAt = undefined", Vec::new()).await;
        let growing = "(async () => {
            const received = { audio: 0, video: 0 };
            for (const stats of (await window.watched.at(-1).getStats()).values()) {
              if (stats.type === 'inbound-rtp') received[stats.kind] += stats.bytesReceived;
            }
            window.receivedAt ??= received;
            return received.audio > window.receivedAt.audio && received.video > window.receivedAt.video;
        })()";
        self.until(&format!("await {growing}"), Vec::new()).await;
    }
}
