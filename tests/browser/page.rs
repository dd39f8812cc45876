//! The demo page, in the verbs of the person before it.

use serde_json::json;

use crate::browser::{Browsers, Tab};

/// A user of the demo page.
pub(crate) struct Person {
    tab: Tab,
}

/// Two people, each with the conversation with the other open.
pub(crate) async fn two_people(browsers: &Browsers, url: &str, names: [&str; 2]) -> [Person; 2] {
    let one = Person::sign_in(browsers, url, names[0]).await;
    let other = Person::sign_in(browsers, url, names[1]).await;
    one.open_conversation(names[1]).await;
    other.open_conversation(names[0]).await;
    [one, other]
}

/// One calls, the other accepts, and both have live sound and picture.
pub(crate) async fn put_through(caller: &Person, callee: &Person) {
    caller.call().await;
    callee.expect_ringing().await;
    callee.accept().await;
    caller.expect_live_call().await;
    callee.expect_live_call().await;
}

impl Person {
    /// Opens the page, signs in and waits until the server knows this user.
    pub(crate) async fn sign_in(browsers: &Browsers, url: &str, name: &str) -> Self {
        let tab = browsers.open(name).await;
        tab.goto(url).await;
        tab.type_into("#name", name).await;
        tab.click("#sign-in-form button").await;
        let person = Self { tab };
        person.expect_online().await;
        person.tab.watch_calls().await;
        person
    }

    pub(crate) async fn expect_online(&self) {
        self.tab.until("document.querySelector('#connection').dataset.state === 'online'", Vec::new()).await;
    }

    pub(crate) async fn expect_offline(&self) {
        self.tab.until("document.querySelector('#connection').dataset.state === 'waiting'", Vec::new()).await;
    }

    pub(crate) async fn reload(&self) {
        self.tab.reload().await;
        self.expect_online().await;
    }

    /// Leaves as a person does who closes the tab.
    pub(crate) async fn close(&self) {
        self.tab.close().await;
    }

    /// The page itself, for what has no verb.
    pub(crate) fn tab(&self) -> &Tab {
        &self.tab
    }

    pub(crate) async fn open_conversation(&self, peer: &str) {
        self.tab.type_into("#peer", peer).await;
        self.tab.click("#peer-form button").await;
    }

    pub(crate) async fn send(&self, text: &str) {
        self.tab.type_into("#draft", text).await;
        self.tab.click("#composer button").await;
    }

    /// The composer holds this.
    pub(crate) async fn expect_draft(&self, text: &str) {
        self.tab.until("document.querySelector('#draft').value === arguments[0]", vec![json!(text)]).await;
    }

    /// The browser says that it is online again.
    pub(crate) async fn come_online(&self) {
        self.tab.run("dispatchEvent(new Event('online'))", Vec::new()).await;
    }

    /// Edits the own message that reads like this.
    pub(crate) async fn edit(&self, content: &str, edited: &str) {
        self.mark(content).await;
        self.tab.click("[data-marked] .edit").await;
        self.tab.type_into("[data-marked] textarea", edited).await;
        self.tab.click("[data-marked] .edit-form .primary").await;
    }

    pub(crate) async fn delete(&self, content: &str) {
        self.mark(content).await;
        self.tab.click("[data-marked] .delete").await;
    }

    /// The conversation shows exactly these messages, in this order, and the server has them.
    pub(crate) async fn expect_messages(&self, contents: &[&str]) {
        let shown =
            "JSON.stringify([...document.querySelectorAll('#messages .content')].map((it) => it.textContent))
            === JSON.stringify(arguments[0])
            && [...document.querySelectorAll('#messages .message')].every((it) => it.dataset.state === 'sent')";
        self.tab.until(shown, vec![json!(contents)]).await;
    }

    pub(crate) async fn expect_edited(&self, content: &str) {
        self.mark(content).await;
        self.tab.until("document.querySelector('[data-marked] .edited').checkVisibility()", Vec::new()).await;
    }

    /// The list of conversations says that it is empty.
    pub(crate) async fn expect_nobody(&self) {
        self.tab.until("!document.querySelector('#nobody').hidden", Vec::new()).await;
    }

    /// The list of conversations shows this many unread messages from the peer.
    pub(crate) async fn expect_unread(&self, peer: &str, count: usize) {
        let shown = "document.querySelector(`[data-peer=${CSS.escape(arguments[0])}] .unread`)?.textContent
            === arguments[1]";
        let text = if count == 0 { String::new() } else { count.to_string() };
        self.tab.until(shown, vec![json!(peer), json!(text)]).await;
    }

    pub(crate) async fn expect_call_status(&self, text: &str) {
        self.tab
            .until(
                "document.querySelector('#call-status').textContent.includes(arguments[0])",
                vec![json!(text)],
            )
            .await;
    }

    pub(crate) async fn expect_no_call_status(&self, text: &str) {
        self.tab
            .until(
                "!document.querySelector('#call-status').textContent.includes(arguments[0])",
                vec![json!(text)],
            )
            .await;
    }

    /// The conversation's last line about a call.
    pub(crate) async fn expect_trace(&self, text: &str) {
        let shown =
            "[...document.querySelectorAll('.call-trace')].at(-1)?.textContent.includes(arguments[0])";
        self.tab.until(shown, vec![json!(text)]).await;
    }

    /// The conversation's lines about calls start like this, and there are no others.
    pub(crate) async fn expect_traces(&self, texts: &[&str]) {
        let shown = "(() => {
            const lines = [...document.querySelectorAll('.call-trace .words')].map((it) => it.textContent);
            return lines.length === arguments[0].length
              && lines.every((line, index) => line.startsWith(arguments[0][index]));
        })()";
        self.tab.until(shown, vec![json!(texts)]).await;
    }

    pub(crate) async fn expect_notice(&self, text: &str) {
        self.tab
            .until("document.querySelector('#notices').textContent.includes(arguments[0])", vec![json!(text)])
            .await;
    }

    pub(crate) async fn call(&self) {
        self.tab.click("#call").await;
    }

    pub(crate) async fn accept(&self) {
        self.tab.click("#accept").await;
    }

    pub(crate) async fn decline(&self) {
        self.tab.click("#decline").await;
    }

    pub(crate) async fn hang_up(&self) {
        self.tab.click("#hang-up").await;
    }

    pub(crate) async fn turn_camera_off(&self) {
        self.tab.click("#camera-off").await;
    }

    /// The peer's picture has gone black, or is back.
    pub(crate) async fn expect_black_picture(&self) {
        let black = "(() => {
            const canvas = document.createElement('canvas');
            const [width, height] = [canvas.width = 16, canvas.height = 16];
            const context = canvas.getContext('2d');
            context.drawImage(document.querySelector('#remote-video'), 0, 0, width, height);
            const pixels = context.getImageData(0, 0, width, height).data;
            return pixels.every((value, index) => index % 4 === 3 || value < 24);
        })()";
        self.tab.until(black, Vec::new()).await;
    }

    pub(crate) async fn expect_ringing(&self) {
        self.expect_call("ringing").await;
    }

    /// In the call, with live sound and picture of the peer.
    pub(crate) async fn expect_live_call(&self) {
        self.expect_call("active").await;
        self.tab.expect_live_video("#remote-video").await;
    }

    /// The call ended, or waits for the peer to come, and the person reads why.
    pub(crate) async fn expect_told_of_absence(&self, peer: &str) {
        let told = "['#notices', '#call-status'].some((id) =>
            document.querySelector(id).textContent.includes(`${arguments[0]} is not`))";
        self.tab.until(told, vec![json!(peer)]).await;
    }

    /// In the call, with a picture; for a page whose call began before it could be watched.
    pub(crate) async fn expect_picture(&self) {
        self.expect_call("active").await;
        self.tab.expect_moving_picture("#remote-video").await;
    }

    pub(crate) async fn expect_active_call(&self) {
        self.expect_call("active").await;
    }

    /// Nothing rings.
    pub(crate) async fn expect_silent(&self) {
        self.tab.until("!document.querySelector('#stage').checkVisibility()", Vec::new()).await;
    }

    /// A button that says this.
    pub(crate) async fn expect_button(&self, selector: &str, text: &str) {
        self.tab
            .until(
                "document.querySelector(arguments[0]).innerText === arguments[1]",
                vec![json!(selector), json!(text)],
            )
            .await;
    }

    /// Out of the call, free for the next, the camera released.
    pub(crate) async fn expect_idle(&self) {
        let idle = "!document.querySelector('#stage').checkVisibility()
            && !document.querySelector('#call').disabled
            && document.querySelector('#remote-video').srcObject === null
            && window.watched.every((connection) => connection.signalingState === 'closed')";
        self.tab.until(idle, Vec::new()).await;
    }

    async fn expect_call(&self, state: &str) {
        let shown = "document.querySelector('#stage').checkVisibility()
            && document.querySelector('#stage').dataset.state === arguments[0]";
        self.tab.until(shown, vec![json!(state)]).await;
    }

    /// Marks the message that reads like this, once it is there.
    async fn mark(&self, content: &str) {
        let marked = "(() => {
            document.querySelector('[data-marked]')?.removeAttribute('data-marked');
            const messages = [...document.querySelectorAll('.message')];
            const message = messages.find((it) => it.querySelector('.content').textContent === arguments[0]);
            if (message) message.dataset.marked = '';
            return Boolean(message);
        })()";
        self.tab.until(marked, vec![json!(content)]).await;
    }
}
