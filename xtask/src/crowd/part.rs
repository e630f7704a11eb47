//! A part of the crowd: a load tester process that has as many users as one process can.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

/// Users of one process: it may open 20 000 files on many machines.
pub(super) const USERS_MAX: u32 = 19_300;
/// Addresses that each part connects from.
const SOURCES: &str = "4";

/// What all parts have in common.
pub(super) struct Whole<'a> {
    pub(super) program: &'a Path,
    pub(super) urls: &'a [String],
    pub(super) users: u32,
    pub(super) tag: u32,
    pub(super) size: u32,
    /// Logins under way at once, of all parts together.
    pub(super) logins_at_once: u32,
}

#[derive(Default)]
struct Heard {
    status: Value,
    reports: Vec<Value>,
}

/// It ends with its standard input, so also with this program.
pub(super) struct Part {
    process: Child,
    input: Option<ChildStdin>,
    heard: Arc<Mutex<Heard>>,
}

impl Part {
    /// Starts part `number` of `parts`, which begins to log in at once.
    pub(super) fn start(whole: &Whole<'_>, number: u32, parts: u32) -> Result<Self> {
        let boundary = |number: u32| (u64::from(whole.users) * u64::from(number) / u64::from(parts)) as u32;
        let (first, until) = (boundary(number), boundary(number + 1));
        let mut command = Command::new(whole.program);
        command
            .arg("crowd")
            .args(["--clients", &(until - first).to_string()])
            .args(["--first", &first.to_string()])
            .args(["--of", &whole.users.to_string()])
            .args(["--tag", &whole.tag.to_string()])
            .args(["--size", &whole.size.to_string()])
            .args([
                "--logins-at-once",
                &(whole.logins_at_once / parts).max(1).to_string(),
            ])
            .args(["--source", &format!("127.0.{}.1", number % 250 + 1)])
            .args(["--source-addresses", SOURCES]);
        for (place, url) in whole.urls.iter().enumerate() {
            command.args([if place == 0 { "--url" } else { "--other-url" }, url]);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a load tester")?;
        let output = process.stdout.take().context("a load tester without output")?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let listener = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                hear(&listener, &line);
            }
        });
        Ok(Self {
            input: process.stdin.take(),
            process,
            heard,
        })
    }

    /// Gives it an order, as the load tester's help has them.
    pub(super) fn order(&mut self, order: &str) -> Result<()> {
        let input = self.input.as_mut().context("the part has ended")?;
        writeln!(input, "{order}").context("a part of the crowd takes no orders any more")
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn lives(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Its reports since this was last called.
    pub(super) fn take_reports(&self) -> Vec<Value> {
        std::mem::take(&mut lock(&self.heard).reports)
    }

    pub(super) fn status(&self) -> Value {
        lock(&self.heard).status.clone()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(heard: &Mutex<Heard>, line: &str) {
    let Ok(mut told) = serde_json::from_str::<Value>(line) else {
        return;
    };
    if !told["status"].is_null() {
        lock(heard).status = told["status"].take();
    } else if !told["report"].is_null() {
        lock(heard).reports.push(told["report"].take());
    } else {
        eprintln!("a load tester says {line}");
    }
}

/// The statuses of all parts put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    numbers: BTreeMap<String, u64>,
    pub(super) sent_hashes: u64,
    pub(super) arrived_hashes: u64,
    pub(super) oldest_ms: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) ends: BTreeMap<String, u64>,
}

impl Totals {
    pub(super) fn of<'a>(statuses: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut totals = Self::default();
        for status in statuses {
            let hashes = |name: &str| {
                let text = status[name].as_str().unwrap_or("0");
                u64::from_str_radix(text, 16).unwrap_or(0)
            };
            totals.sent_hashes = totals.sent_hashes.wrapping_add(hashes("sentHashes"));
            totals.arrived_hashes = totals.arrived_hashes.wrapping_add(hashes("arrivedHashes"));
            for (name, value) in status.as_object().into_iter().flatten() {
                match (name.as_str(), value) {
                    ("oldestMs", value) => {
                        totals.oldest_ms = totals.oldest_ms.max(value.as_u64().unwrap_or(0));
                    }
                    ("errors", Value::Object(counts)) => add(&mut totals.errors, counts),
                    ("ends", Value::Object(counts)) => add(&mut totals.ends, counts),
                    (name, Value::Number(number)) => {
                        *totals.numbers.entry(name.to_owned()).or_default() += number.as_u64().unwrap_or(0);
                    }
                    _ => {}
                }
            }
        }
        totals
    }

    /// A count by its name in the status.
    pub(super) fn get(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// Whether exactly what was sent has arrived, each message at its recipient.
    pub(super) fn all_arrived(&self) -> bool {
        self.get("sent") == self.get("arrived") && self.sent_hashes == self.arrived_hashes
    }
}

fn add(sums: &mut BTreeMap<String, u64>, counts: &serde_json::Map<String, Value>) {
    for (name, count) in counts {
        *sums.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_add_up_and_hashes_wrap() {
        let one = json!({"sent": 2, "arrived": 1, "sentHashes": "ffffffffffffffff", "arrivedHashes": "1", "oldestMs": 5,
                         "errors": {"UNAVAILABLE": 1}, "ends": {}});
        let two = json!({"sent": 0, "arrived": 1, "sentHashes": "0000000000000003", "arrivedHashes": "1", "oldestMs": 3,
                         "errors": {"UNAVAILABLE": 2}});
        let totals = Totals::of([&one, &two]);
        assert_eq!((totals.get("sent"), totals.oldest_ms), (2, 5));
        assert_eq!(totals.errors["UNAVAILABLE"], 3);
        assert!(totals.all_arrived());
        let changed = json!({"sent": 0, "arrived": 1, "sentHashes": "3", "arrivedHashes": "2"});
        assert!(!Totals::of([&one, &changed]).all_arrived());
        assert!(!Totals::of([&one]).all_arrived());
        assert!(Totals::of([&Value::Null]).all_arrived(), "nothing was sent");
    }

    #[test]
    fn what_a_part_says_is_sorted() {
        let heard = Mutex::new(Heard::default());
        hear(&heard, "{\"status\":{\"sent\":1}}");
        hear(&heard, "{\"report\":{\"delivery\":[]}}");
        hear(&heard, "no JSON");
        let heard = lock(&heard);
        assert_eq!((heard.status["sent"].as_u64(), heard.reports.len()), (Some(1), 1));
    }
}
