//! `admin export`: everything, in the order in which the store has it, or one user's messages, the oldest first.

use std::io::{self, BufWriter, StdoutLock, Write};

use shared::access::Administrator;
use shared::error::Cause;
use shared::ids::{MessageId, UserKey};
use shared::store::{Line, Other, Paging};

use crate::progress::Progress;
use crate::settings::Settings;

/// Messages of one page.
const PAGE: usize = 1000;

/// Writes everything that is kept.
pub(crate) async fn everything(settings: &Settings) -> Result<(), Cause> {
    let store = settings.open().await?;
    let mut walk = store.walk(&Administrator::assume()).await?;
    let (mut output, mut progress) = (output(), Progress::of("lines"));
    write(&mut output, &Line::first().to_json())?;
    while let Some(lines) = store.step(&mut walk).await? {
        for line in &lines {
            write(&mut output, &line.to_json())?;
        }
        progress.add(lines.len());
    }
    write(&mut output, &Line::Other(Other::End { lines: progress.count() }).to_json())?;
    output.flush()?;
    progress.end("");
    if walk.unlisted > 0 {
        eprintln!("{} messages in nobody's list are left out", walk.unlisted);
    }
    if walk.foreign > 0 {
        eprintln!("{} keys are none of this version's and are left out", walk.foreign);
    }
    Ok(())
}

/// Writes a user's messages.
pub(crate) async fn user(settings: &Settings, user: UserKey) -> Result<(), Cause> {
    let store = settings.open().await?;
    let permit = Administrator::assume().on_behalf_of(user).messages();
    let (mut output, mut progress) = (output(), Progress::of("messages"));
    let mut after = MessageId::LOWEST;
    loop {
        let page = store.list(&permit, Paging::After(after), PAGE).await?;
        for message in &page.messages {
            write(&mut output, message)?;
        }
        progress.add(page.messages.len());
        let Some(id) = page.more else { break };
        after = id;
    }
    output.flush()?;
    progress.end("");
    Ok(())
}

fn output() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

fn write(output: &mut impl Write, line: &str) -> io::Result<()> {
    output.write_all(line.as_bytes())?;
    output.write_all(b"\n")
}
