//! A person's doings and their costs, read from the table of a thousand active users in docs/deploy.md.

/// Those the table is about, and how long each of them is online in its month.
const USERS: f64 = 1000.0;
const SECONDS_ONLINE: f64 = 30.0 * 2.0 * 3600.0;

/// People who are active for each one online, where each is online for two hours a day and all hours are alike.
pub(crate) const ACTIVE_PER_ONLINE: f64 = 12.0;

/// Devices of each person online.
pub(crate) const DEVICES: f64 = 2.0;

/// Of one person while online, per second.
pub(crate) struct Usage {
    /// All that counts against API Gateway's throttle: requests, frames, pushes, `$connect` and `$disconnect`.
    pub(crate) requests: f64,
    /// Of these, all that start a function.
    pub(crate) invocations: f64,
    /// Of these, requests to the HTTP API.
    pub(crate) over_http: f64,
    /// Of these, frames that clients send.
    pub(crate) frames: f64,
    /// WebSockets opened.
    pub(crate) opened: f64,
    /// Processing units of the cache.
    pub(crate) units: f64,
    /// Of one active person in a month: gigabytes kept, and dollars beside what is paid for an idle deployment.
    pub(crate) gigabytes: f64,
    pub(crate) dollars: f64,
    /// The price of a deployment that nobody uses.
    pub(crate) idle_dollars: f64,
}

impl Usage {
    pub(crate) fn read(document: &str) -> Self {
        let table = document.split_once("### A thousand active users").expect("deploy.md has this table").1;
        let rows: Vec<Vec<&str>> = table
            .lines()
            .skip_while(|line| !line.starts_with("|---"))
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let mut usage = Self {
            requests: 0.0,
            invocations: 0.0,
            over_http: 0.0,
            frames: 0.0,
            opened: 0.0,
            units: 0.0,
            gigabytes: 0.0,
            dollars: 0.0,
            idle_dollars: 0.0,
        };
        for row in &rows {
            let [name, millions, each, dollars] = row[..] else {
                panic!("a row of deploy.md has four columns: {row:?}")
            };
            usage.add(name, millions.parse().unwrap_or(0.0) * 1e6 / USERS / SECONDS_ONLINE, each);
            let dollars: f64 =
                dollars.trim_start_matches('$').parse().expect("deploy.md has dollars in the last column");
            match name.starts_with("idle") {
                true => usage.idle_dollars += dollars,
                false => usage.dollars += dollars / USERS,
            }
        }
        // A connection lives two hours at most, so one that stays is opened again.
        usage.opened += DEVICES / 7200.0;
        usage
    }

    fn add(&mut self, name: &str, per_second: f64, each: &str) {
        let (charged, invocations) = (times(each, "$1"), times(each, "$1.10"));
        self.requests += per_second * charged;
        self.invocations += per_second * invocations;
        match name.split([' ', ':', ',']).next().unwrap_or_default() {
            "opening" => {
                // `$connect` and `$disconnect` count as requests, but are not charged; `register` is a frame.
                self.requests += 2.0 * per_second;
                self.over_http += 3.0 * per_second;
                self.frames += 3.0 * per_second;
                self.opened += per_second;
            }
            "sends" | "lists" | "marks" => self.over_http += per_second,
            "`typing`" | "calls" | "`ping`" => self.frames += per_second,
            "processing" => self.units += per_second,
            "messages" => self.gigabytes = gigabytes(each) / USERS,
            "minutes" | "data" | "idle" => {}
            other => panic!("deploy.md has a row that this benchmark does not know: {other}"),
        }
    }
}

/// How often an amount is in a sum such as `$1 + 4 × $1 + $1.10`.
fn times(sum: &str, amount: &str) -> f64 {
    sum.split(" + ")
        .filter_map(|term| match term.split_once(" × ") {
            Some((factor, price)) if price == amount => factor.parse().ok(),
            None if term == amount => Some(1.0),
            _ => None,
        })
        .sum()
}

/// Of `0.72 GB × …`.
fn gigabytes(each: &str) -> f64 {
    each.split_once(" GB")
        .and_then(|(number, _)| number.parse().ok())
        .expect("deploy.md says how many GB are kept")
}
