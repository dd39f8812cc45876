//! `admin import`: takes over what an export wrote, some lines at a time.

use std::io::{self, BufRead, Read};
use std::time::Duration;

use shared::access::Administrator;
use shared::error::{Cause, Error};
use shared::store::{Imported, LINES_PER_IMPORT, Line, Other, Store};

use crate::progress::Progress;
use crate::settings::Settings;

/// No line of an export is longer than this.
const LINE_BYTES: u64 = 1_000_000;

/// What is sent to the store at once, in bytes: little enough for it to answer in time.
const BATCH_BYTES: usize = 4_000_000;

/// How often a store that is away is asked again, once a second.
const ATTEMPTS: u32 = 30;

/// Reads standard input to its end.
pub(crate) async fn run(settings: &Settings) -> Result<(), Cause> {
    let store = settings.open().await?;
    let mut input = Input { reader: io::stdin().lock(), number: 0, end: None, is_export: false };
    let (mut progress, mut all) = (Progress::of("lines"), Imported::default());
    loop {
        let lines = input.batch()?;
        if lines.is_empty() {
            break;
        }
        let count = lines.len();
        let imported = import(&store, lines).await.map_err(|error| match error {
            Error::InvalidRequest(sentence) => format!("before line {}: {sentence}", input.number + 1).into(),
            error => Cause::from(error),
        })?;
        all.taken += imported.taken;
        all.present += imported.present;
        all.expired += imported.expired;
        progress.add(count);
    }
    let Imported { taken, present, expired } = all;
    progress
        .end(&format!(": {taken} messages taken over, {present} here already, {expired} past their time"));
    input.check_end(progress.count())
}

/// Gives lines to the store, again where it was away.
async fn import(store: &Store, lines: Vec<Line>) -> Result<Imported, Error> {
    let mut attempt = 1;
    loop {
        match store.import(&Administrator::assume(), lines.clone()).await {
            Err(Error::Unavailable(cause)) if attempt < ATTEMPTS => {
                eprintln!("the store is away, trying again: {cause}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

struct Input<R> {
    reader: R,
    /// Of the last line that was read.
    number: u64,
    /// How many lines the last one says there are.
    end: Option<u64>,
    /// Whether it began as an export of everything does, which ends with a last line.
    is_export: bool,
}

impl<R: BufRead> Input<R> {
    /// The next lines, none at the end of the input.
    fn batch(&mut self) -> Result<Vec<Line>, Cause> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < LINES_PER_IMPORT && bytes < BATCH_BYTES {
            let mut line = String::new();
            self.number += 1;
            let number = self.number;
            let at = |problem: String| Cause::from(format!("line {number}: {problem}"));
            let read = self.reader.by_ref().take(LINE_BYTES).read_line(&mut line);
            if read.map_err(|error| at(error.to_string()))? == 0 {
                break;
            }
            if !line.ends_with('\n') && u64::try_from(line.len()).is_ok_and(|length| length >= LINE_BYTES) {
                return Err(at(format!("it is longer than {LINE_BYTES} bytes")));
            }
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            match Line::parse(line).map_err(|error| at(sentence(&error)))? {
                Line::Other(Other::Export { .. }) => self.is_export = true,
                Line::Other(Other::End { lines }) => self.end = Some(lines),
                parsed => {
                    bytes += line.len();
                    lines.push(parsed);
                }
            }
        }
        Ok(lines)
    }

    /// Fails if the file is a part of an export.
    fn check_end(&self, lines: u64) -> Result<(), Cause> {
        match self.end {
            Some(end) if end != lines => {
                Err(format!("of the {end} lines of the export {lines} were there").into())
            }
            None if self.is_export => Err("the export is cut off: its last line is missing".into()),
            _ => Ok(()),
        }
    }
}

fn sentence(error: &Error) -> String {
    error.answer().2.to_owned()
}
