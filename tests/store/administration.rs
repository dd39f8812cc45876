//! The administrator's tool: what one store exports, another one imports.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rstest::rstest;
use serde_json::{Value, json};
use shared::access;
use shared::ids::UserKey;
use shared::message::Message;
use shared::store::{EventId, Follow};
use support::StoreKind::{self, Cluster, SecureCluster, Single};
use support::{TestStore, admin};
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::{World, content, draft, draft_as, id, id_at, keys, metadata, now_ms, user_called};

const MESSAGES: i64 = 100_000;
const USERS: i64 = 25;

/// A store, and a folder for what is exported of it.
struct Site {
    world: World,
    servers: TestStore,
    folder: TempDir,
}

impl Site {
    async fn on(kind: StoreKind) -> Self {
        let (world, servers) = World::apart(kind).await;
        Self { world, servers, folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn admin(&self, command: &str) -> Command {
        let mut admin = Command::new(admin());
        admin.env_clear().arg(command).arg("--open").args(["--store", self.servers.url()]);
        if let Some(authority) = self.servers.authority() {
            let file = self.file("authority.pem");
            std::fs::write(&file, authority).expect("a file");
            admin.arg("--store-ca").arg(file);
        }
        admin
    }

    /// Everything, as a file.
    async fn export(&self) -> PathBuf {
        let file = self.file("export.ndjson");
        let output = File::create(&file).expect("a file");
        let done = run(self.admin("export").stdout(output)).await;
        assert!(done.status.success(), "{}", said(&done));
        file
    }

    async fn try_import(&self, file: &Path) -> Output {
        run(self.admin("import").stdin(File::open(file).expect("a file"))).await
    }

    /// Imports a file, and returns what was said at the end.
    async fn import(&self, file: &Path) -> String {
        let done = self.try_import(file).await;
        assert!(done.status.success(), "{}", said(&done));
        said(&done).lines().last().expect("a report").to_owned()
    }

    async fn conversations(&self, user: &UserKey) -> Vec<shared::store::Conversation> {
        let permit = access::own(&self.world.anybody(), Some(user.clone())).expect("open mode");
        let listed = self.world.store.conversations(&permit, None, 1000).await;
        listed.expect("the store answers").conversations
    }

    async fn mark_read(&self, reader: &UserKey, with: &UserKey, message: &Message) {
        let permit = access::own(&self.world.anybody(), Some(reader.clone())).expect("open mode");
        self.world.store.mark_read(&permit, with, id(message)).await.expect("the store answers");
    }

    /// How many events follow a position in a user's log; `None` where the log does not hold it.
    async fn events_since(&self, user: &UserKey, position: &str) -> Option<usize> {
        let permit = access::own(&self.world.anybody(), Some(user.clone())).expect("open mode");
        let since = EventId::parse(position).expect("a position");
        match self.world.store.follow(&permit, Some(&since), 1000).await.expect("the store answers") {
            Follow::Events(events) => Some(events.events.len()),
            Follow::Resync(_) => None,
        }
    }
}

async fn run(command: &mut Command) -> Output {
    command.stderr(Stdio::piped()).kill_on_drop(true);
    let running = command.spawn().expect("the tool starts");
    running.wait_with_output().await.expect("the tool ends")
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// The lines of an export in any order. When a name is free again is told to the millisecond, as far as the time
/// that an export takes allows: it is compared by the minute.
fn lines(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).expect("an export");
    let lines = text.lines().map(|line| match line.strip_prefix("{\"send\":") {
        Some(_) => {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            let until_ms = line["send"]["until_ms"].as_i64().expect("a time");
            assert!((1..=24 * 3600 * 1000).contains(&(until_ms - now_ms())), "{line}");
            line["send"]["until_ms"] = json!(null);
            line.to_string()
        }
        None => line.to_owned(),
    });
    lines.collect()
}

/// Fails with the lines that are in one of two exports only.
fn assert_same(found: &Path, expected: &BTreeSet<String>) {
    let found = lines(found);
    let differing: Vec<_> = found.symmetric_difference(expected).take(10).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

fn count(lines: &BTreeSet<String>, start: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(start)).count()
}

fn users() -> Vec<UserKey> {
    // Keys of other users' making are in the file, too.
    (0..USERS).map(|number| user_called(&format!("user{{{number}}}:, %41 \u{1F600}\""))).collect()
}

/// Messages between users, to themselves too, over the last hundred days.
fn history(users: &[UserKey], count: i64) -> String {
    let mut text = String::new();
    for number in 0..count {
        let place = |factor: i64| usize::try_from(number * factor % USERS).expect("a place");
        let (sender, receiver) = (&users[place(1)], &users[place(7)]);
        let message_id = id_at(sender, receiver, now_ms() - number * 86_400 - 1);
        let mut draft = draft(&format!("number {number}\n\u{1F600}"));
        if number % 3 == 0 {
            draft.client_id = draft_as(&format!("name-{number}"), "x").client_id;
            draft.metadata = Some(metadata(r#"{"b":1e3, "a" : [1.0] }"#));
        }
        let message = Message::compose(message_id, sender.clone(), receiver.clone(), draft);
        let message = if number % 10 == 0 {
            let at = "2026-01-02T03:04:05Z".parse().expect("a time");
            message.edit(content("edited"), shared::message::MetadataChange::Keep, at)
        } else {
            message
        };
        writeln!(text, "{}", message.to_json()).expect("a text grows");
    }
    text
}

#[tokio::test]
async fn a_hundred_thousand_messages_move_to_another_store() {
    let (here, there) = (Site::on(Single).await, Site::on(Cluster).await);
    let users = users();
    let text = history(&users, MESSAGES);
    let old = here.file("history.ndjson");
    std::fs::write(&old, &text).expect("a file");
    let report =
        format!("{MESSAGES} lines in all: {MESSAGES} messages taken over, 0 here already, 0 past their time");
    assert_eq!(here.import(&old).await, report);

    // What users do besides: names, edits, deletes, markers, events.
    let [alice, bob] = ["alice", "bob"].map(user_called);
    let named = here.world.try_send(&alice, &bob, draft_as("na:me", "once")).await.expect("sent").message;
    let edited = here.world.send(&bob, &alice, "one").await;
    here.world.edit(&edited, "two").await.expect("it is there");
    let deleted = here.world.try_send(&alice, &bob, draft_as("gone", "bye")).await.expect("sent").message;
    here.world.delete(&deleted).await;
    here.mark_read(&bob, &alice, &named).await;
    let position = here.world.log(&bob).await[1].event_id.clone();

    let exported = here.export().await;
    let (before, all) = (lines(&exported), text.lines().map(str::to_owned).collect::<BTreeSet<_>>());
    assert!(all.is_subset(&before), "every message is exported as it was");
    assert_eq!(count(&before, "{\"id\""), all.len() + 2);
    for (kind, expected) in
        [("{\"deleted_at\"", 1), ("{\"log\"", 2), ("{\"read\"", 1), ("{\"read_by\"", 1), ("{\"send\"", 2)]
    {
        assert_eq!(count(&before, kind), expected, "{kind}");
    }
    there.import(&exported).await;
    assert_same(&there.export().await, &before);

    for user in users.iter().chain([&alice, &bob]) {
        let everything = shared::access::MayList::User(user.clone());
        assert_eq!(there.world.list(&everything).await, here.world.list(&everything).await);
        assert_eq!(there.conversations(user).await, here.conversations(user).await);
    }
    // A client goes on where it was, a repeated send is known, and what was deleted stays so.
    let rest = here.events_since(&bob, &position).await;
    assert!(rest.is_some_and(|rest| rest > 0), "{rest:?}");
    assert_eq!(there.events_since(&bob, &position).await, rest);
    let again = there.world.try_send(&alice, &bob, draft_as("na:me", "once")).await.expect("sent");
    assert!(again.replayed && again.message == named && again.feeds.is_empty(), "{again:?}");
    let again = there.world.try_send(&alice, &bob, draft_as("gone", "bye")).await.expect("sent");
    assert!(again.replayed && again.feeds.is_empty(), "{again:?}");
    assert!(there.world.stored(&deleted).await.is_some_and(|stored| stored.starts_with("{\"deleted_at\"")));
    let total = there.world.score(keys::ALL, &id(&named).short()).await;
    assert_eq!(total, Some(0.0), "what open mode lists");
}

#[rstest]
#[tokio::test]
async fn an_import_goes_on_where_it_was_and_takes_what_is_newer(
    #[values(Single, SecureCluster)] kind: StoreKind,
) {
    let (here, there) = (Site::on(Single).await, Site::on(kind).await);
    let [alice, bob] = ["alice", "bob"].map(user_called);
    let mut sent = Vec::new();
    for number in 0..20 {
        sent.push(here.world.send(&alice, &bob, &number.to_string()).await);
    }
    let first = here.export().await;
    let text = std::fs::read_to_string(&first).expect("an export");
    let half = there.file("half.ndjson");
    std::fs::write(&half, text.lines().take(12).fold(String::new(), |text, line| text + line + "\n"))
        .expect("a file");
    let done = there.try_import(&half).await;
    assert_eq!(done.status.code(), Some(1));
    assert!(
        said(&done).ends_with("admin: the export is cut off: its last line is missing\n"),
        "{}",
        said(&done)
    );
    let lost = text.lines().filter(|line| !line.contains(&sent[3].id)).collect::<Vec<_>>().join("\n");
    std::fs::write(&half, lost).expect("a file");
    let done = there.try_import(&half).await;
    assert!(said(&done).contains(" lines of the export "), "{}", said(&done));
    there.import(&first).await;
    let report = there.import(&first).await;
    assert!(report.contains(": 0 messages taken over, 20 here already"), "{report}");
    assert_same(&there.export().await, &lines(&first));

    // The store is used meanwhile, and exported again.
    here.world.edit(&sent[0], "edited").await.expect("it is there");
    here.world.delete(&sent[1]).await;
    here.world.delete(&sent[19]).await;
    here.mark_read(&bob, &alice, &sent[5]).await;
    let late = here.world.send(&bob, &alice, "late").await;
    let old = here.file("old.ndjson");
    std::fs::rename(&first, &old).expect("a file");
    let second = here.export().await;
    for file in [&second, &old, &second] {
        there.import(file).await;
        assert_same(&there.export().await, &lines(&second));
    }
    assert_eq!(there.world.changes(&alice).await, here.world.changes(&alice).await);
    for user in [&alice, &bob] {
        assert_eq!(there.conversations(user).await, here.conversations(user).await);
    }
    // What was changed over there stays.
    there.world.edit(&late, "changed there").await.expect("it is there");
    there.import(&second).await;
    assert!(there.world.stored(&late).await.is_some_and(|stored| stored.contains("changed there")));
}

#[tokio::test]
async fn one_users_messages_are_exported_in_their_order() {
    let here = Site::on(Single).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(user_called);
    let mut sent = Vec::new();
    for (turn, (sender, receiver)) in [(&alice, &bob), (&carol, &alice), (&alice, &alice)].iter().enumerate()
    {
        let message_id =
            id_at(sender, receiver, now_ms() - 10 + i64::try_from(turn).expect("a small number"));
        sent.push(here.world.send_under(sender, receiver, message_id).await.to_json() + "\n");
    }
    here.world.send(&bob, &carol, "another's").await;
    for (user, expected) in [("alice", sent.concat()), ("nobody", String::new())] {
        let done = run(here.admin("export").args(["--user", user]).stdout(Stdio::piped())).await;
        assert!(done.status.success(), "{}", said(&done));
        assert_eq!(String::from_utf8(done.stdout).expect("JSON"), expected);
    }
}

#[tokio::test]
async fn what_is_past_its_time_stays_behind() {
    let here = Site::on(Single).await;
    let (alice, bob) = (user_called("alice"), user_called("bob"));
    let day = 86_400_000;
    let messages = [3 * day, day, 0].map(|age| {
        let message_id = id_at(&alice, &bob, now_ms() - age);
        Message::compose(message_id, alice.clone(), bob.clone(), draft("hello"))
    });
    let tombstone = |age: i64| {
        let id = id_at(&alice, &bob, now_ms());
        let at = chrono::DateTime::from_timestamp_millis(now_ms() - age).expect("a time").to_rfc3339();
        json!({ "deleted_at": at, "tag": uuid::Uuid::now_v7(), "id": id.to_string(), "sender_id": "alice",
                "receiver_id": "bob" })
    };
    // Its first field tells a tombstone.
    let tombstones = [2 * day, day].map(|age| {
        let Value::Object(mut fields) = tombstone(age) else { unreachable!() };
        let at = fields.remove("deleted_at").expect("a time");
        format!("{{\"deleted_at\":{at},{}", &Value::Object(fields).to_string()[1..])
    });
    let file = here.file("some.ndjson");
    let lines = messages.iter().map(Message::to_json).chain(tombstones);
    std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("a file");
    let input = File::open(&file).expect("a file");
    let done = run(here.admin("import").args(["--retention-days", "2"]).stdin(input)).await;
    assert!(
        said(&done).contains("3 messages taken over, 0 here already, 2 past their time"),
        "{}",
        said(&done)
    );
    let left = here.world.seconds_left(&keys::message(&messages[1])).await;
    assert!((86_400..=90_000).contains(&left), "{left}");
    let left = here.world.seconds_left(&keys::all(&alice)).await;
    assert!((172_700..=172_800).contains(&left), "{left}");
}

#[tokio::test]
async fn nothing_stays_longer_than_it_may_because_a_clock_was_ahead() {
    let here = Site::on(Single).await;
    let (alice, bob) = (user_called("alice"), user_called("bob"));
    let deleted = id_at(&alice, &bob, now_ms());
    let tag = uuid::Uuid::now_v7();
    let mut lines = format!(
        r#"{{"deleted_at":"9000-01-01T00:00:00Z","tag":"{tag}","id":"{deleted}","sender_id":"alice","receiver_id":"bob"}}"#
    );
    for until_ms in [i64::MIN, now_ms() - 1, now_ms() + 1_000_000_000, i64::MAX] {
        let send = json!({ "user": "alice", "client_id": until_ms.to_string(), "message": deleted.to_string(), "hash": "x",
                           "completed": true, "until_ms": until_ms });
        write!(lines, "\n{}", json!({ "send": send })).expect("a text grows");
    }
    let file = here.file("ahead.ndjson");
    std::fs::write(&file, lines).expect("a file");
    here.import(&file).await;
    let mut connection = here.servers.connect().await;
    let found: Vec<String> =
        redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("the keys");
    assert_eq!(found.len(), 3, "a tombstone and the names that are still taken: {found:?}");
    for key in &found {
        let left = here.world.seconds_left(key).await;
        assert!((1..=25 * 3600).contains(&left), "{key} stays for {left} s");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let here = Site::on(Single).await;
    let (alice, bob) = (user_called("alice"), user_called("bob"));
    let message = Message::compose(id_at(&alice, &bob, now_ms()), alice, bob, draft("hello"));
    let changed = |name: &str, value: Value| {
        let mut message = serde_json::to_value(&message).expect("JSON");
        message[name] = value;
        message.to_string()
    };
    for (line, sentence) in [
        ("nonsense".to_owned(), "it cannot be read: expected ident at line 1 column 2"),
        ("{}".to_owned(), "it cannot be read: missing field `id` at line 1 column 2"),
        (changed("id", json!("x")), "its id is no UUIDv7"),
        (changed("receiver_id", json!("carol")), "its id belongs to another conversation"),
        (changed("created_at", json!("2026")), "its created_at is not the time inside its id"),
        (changed("content", json!("")), "content is required"),
        (changed("content", json!("x".repeat(16_385))), "content may hold at most 16384 bytes of UTF-8"),
        (changed("metadata", json!([])), "metadata must be a JSON object"),
        (changed("sender_id", json!("\n")), "it cannot be read: not a user key: 1 to 128 bytes"),
        ("x".repeat(1_100_000), "it is longer than 1000000 bytes"),
    ] {
        let file = here.file("bad.ndjson");
        std::fs::write(&file, format!("{}\n\n{line}\n", message.to_json())).expect("a file");
        let done = here.try_import(&file).await;
        assert_eq!(done.status.code(), Some(1), "{line}");
        assert!(said(&done).contains(&format!("admin: line 3: {sentence}")), "{}", said(&done));
    }

    let fails = async |arguments: &[&str], sentence: &str| {
        let mut command = Command::new(admin());
        let done = run(command.env_clear().args(arguments).stdin(Stdio::null()).stdout(Stdio::null())).await;
        assert!(!done.status.success());
        assert!(said(&done).contains(sentence), "{}", said(&done));
    };
    fails(&["export"], "--store <URL>").await;
    fails(&["export", "--store", ""], "a value is required for '--store <URL>'").await;
    fails(&["export", "--store", "http://localhost"], "Redis URL did not parse").await;
    fails(&["export", "--store", "redis://127.0.0.1:1"], "admin: unavailable: The store is unavailable")
        .await;
    fails(&["export", "--store", "rediss://u@h:1?iam=x"], "AWS_REGION is not set").await;
    fails(&["erase", "--store", "redis://127.0.0.1:1"], "--user <KEY>").await;
    let erase = ["erase", "--user", "alice", "--store", "redis://127.0.0.1:1"];
    fails(&[erase.as_slice(), &["--push-to", "wss://localhost"]].concat(), "starts with https://").await;
    fails(&["erase", "--user", "", "--store", "redis://127.0.0.1:1"], "not a user key").await;
}
