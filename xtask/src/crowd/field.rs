//! All that runs: services, nodes, the parts of the crowd. Gone when dropped, the users first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tempfile::TempDir;

use super::asking::address_in;
use super::machine::Memory;
use super::node::{Domain, Node, Urls, free_ports};
use super::options::Options;
use super::part::{Part, Totals, USERS_MAX, Whole};
use super::programs::Programs;
use crate::local::metric;
use crate::processes::listener;
use crate::services::{self, Search, Service, Services};

/// Files that a node opens besides its sessions, generously.
const OTHER_FILES: u64 = 150;
/// How often the machine and all processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// A node is told to drain for at most this time.
const DRAIN: Duration = Duration::from_secs(30);

pub(super) struct Field {
    // In the order in which they go.
    pub(super) parts: Vec<Part>,
    pub(super) nodes: Vec<Node>,
    services: Services,
    /// The process of each service, below which its others are. Looked up once: later there are too many open files to look through.
    service_pids: Vec<(Service, u32)>,
    _folder: TempDir,
    options: Options,
    programs: Programs,
    tag: u32,
    files: u64,
    ended: Arc<AtomicBool>,
    looked: Instant,
    progressed: Instant,
    /// The one that is supposed not to run.
    away: Option<usize>,
}

impl Field {
    /// Starts the services and the nodes.
    ///
    /// # Errors
    /// The machine allows too few files or has too little memory, or something does not start.
    pub(super) fn start(options: &Options, ended: &Arc<AtomicBool>) -> Result<Self> {
        let files = allow_files()?;
        // Also while one node is away.
        let needed = u64::from(options.sessions) * 102 / 100 / u64::from(options.nodes - 1) + OTHER_FILES;
        ensure!(
            needed <= files,
            "each node has up to {needed} files open, and a process may open {files} (ulimit -Hn): more --nodes"
        );
        let programs = Programs::build()?;
        let services = services::find_or_start(Search::PrivateAndDurable)?;
        let mut service_pids = Vec::new();
        for service in Service::ALL {
            let port = address_in(services.url(service)?)?.port();
            let pid = listener(port);
            let pid = pid.with_context(|| format!("no process of one's own listens on port {port}"))?;
            service_pids.push((service, pid));
        }
        let folder = tempfile::Builder::new().prefix("linker-crowd-").tempdir()?;
        let domain = Domain {
            name: "crowd".to_owned(),
            urls: Urls {
                presence: services.url(Service::Redis)?.to_owned(),
                bus: services.url(Service::RabbitMq)?.to_owned(),
                store: store_url(&services)?,
            },
            heartbeat: options.heartbeat,
            drain: DRAIN,
            program: programs.server.clone(),
        };
        let mut nodes = Vec::new();
        for (number, port) in (1..).zip(free_ports(options.nodes)?) {
            nodes.push(Node::new(
                &domain,
                &format!("node-{number:02}"),
                folder.path(),
                port,
            )?);
        }
        let mut field = Self {
            parts: Vec::new(),
            nodes,
            services,
            service_pids,
            _folder: folder,
            options: options.clone(),
            programs,
            tag: std::time::UNIX_EPOCH.elapsed()?.as_secs() as u32,
            files,
            ended: Arc::clone(ended),
            looked: Instant::now(),
            progressed: Instant::now(),
            away: None,
        };
        field.start_nodes()?;
        Ok(field)
    }

    fn start_nodes(&mut self) -> Result<()> {
        // A few at a time: the first brings the schema up to date, and all want the same two cores.
        for group in self.nodes.chunks_mut(8) {
            let starting: Vec<_> = group.iter_mut().map(Node::launch).collect::<Result<_>>()?;
            for (node, starting) in group.iter_mut().zip(&starting) {
                node.await_ready(starting)?;
            }
            ensure!(!self.ended.load(Ordering::Acquire), "interrupted");
        }
        Ok(())
    }

    /// Has all users log in.
    pub(super) fn gather(&mut self) -> Result<()> {
        let urls: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("ws://{}/ws", node.address))
            .collect();
        let whole = Whole {
            program: &self.programs.load_tester,
            urls: &urls,
            users: self.options.sessions,
            tag: self.tag,
            size: self.options.size,
            logins_at_once: self.options.logins_at_once,
        };
        let parts = self.options.sessions.div_ceil(USERS_MAX);
        for number in 0..parts {
            self.parts.push(Part::start(&whole, number, parts)?);
        }
        Ok(())
    }

    pub(super) fn totals(&self) -> Totals {
        let statuses: Vec<Value> = self.parts.iter().map(Part::status).collect();
        Totals::of(&statuses)
    }

    /// Gives all parts an order.
    pub(super) fn order(&mut self, order: &str) -> Result<()> {
        self.parts.iter_mut().try_for_each(|part| part.order(order))
    }

    /// Sets the messages a second of all parts together.
    pub(super) fn set_rate(&mut self, rate: u32) -> Result<()> {
        let share = f64::from(rate) / self.parts.len().max(1) as f64;
        self.order(&format!("rate {share}"))
    }

    /// The reports of all parts, which begin anew with this.
    pub(super) fn reports(&mut self) -> Result<Vec<Value>> {
        let mut reports: Vec<Value> = Vec::new();
        let wanted = self.parts.len();
        self.order("report")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while reports.len() < wanted {
            ensure!(Instant::now() < deadline, "a part of the crowd does not report");
            for part in &self.parts {
                reports.extend(part.take_reports());
            }
            self.pause()?;
        }
        Ok(reports)
    }

    /// Waits until the parts' counts are as wanted.
    ///
    /// # Errors
    /// That takes longer than it may, or something ends.
    pub(super) fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Totals) -> bool,
    ) -> Result<Totals> {
        let began = Instant::now();
        loop {
            let totals = self.totals();
            if wanted(&totals) {
                return Ok(totals);
            }
            ensure!(
                began.elapsed() < limit,
                "{what}: not within {} s ({})",
                limit.as_secs(),
                shown(&totals)
            );
            self.progress(what, &totals);
            self.pause()?;
        }
    }

    /// Lets time pass.
    pub(super) fn rest(&mut self, what: &str, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.progress(what, &self.totals());
            self.pause()?;
        }
        Ok(())
    }

    /// Waits a moment, and sees whether all is as it should be.
    pub(super) fn pause(&mut self) -> Result<()> {
        std::thread::sleep(POLL);
        ensure!(!self.ended.load(Ordering::Acquire), "interrupted");
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        Memory::read()?.enough()?;
        if let Some(part) = self.parts.iter_mut().position(|part| !part.lives()) {
            bail!("part {part} of the crowd has ended; what it said stands above");
        }
        for (place, node) in self.nodes.iter_mut().enumerate() {
            if self.away != Some(place) && !node.lives() {
                bail!("node {} has ended:\n{}", place + 1, node.said());
            }
        }
        Ok(())
    }

    fn progress(&mut self, what: &str, totals: &Totals) {
        if self.progressed.elapsed() < PROGRESS_EVERY {
            return;
        }
        self.progressed = Instant::now();
        let available = Memory::read().map_or(0, |memory| memory.available >> 20);
        println!("  {what}: {}; {available} MiB available", shown(totals));
    }

    /// Has who connects from now on go where there is room, but not to this node: as a load balancer would.
    pub(super) fn steer_past(&mut self, place: Option<usize>) -> Result<()> {
        let mut order = String::from("nodes");
        for (number, node) in self.nodes.iter().enumerate() {
            let room = if place == Some(number) || self.away == Some(number) {
                0
            } else {
                let sessions = metric(&node.metrics()?, "linker_sessions", "") as u64;
                self.files.saturating_sub(OTHER_FILES + sessions)
            };
            order += &format!(" {}={room}", node.address);
        }
        self.order(&order)
    }

    /// kill -9.
    pub(super) fn kill_node(&mut self, place: usize) -> Result<()> {
        self.away = Some(place);
        self.nodes.get_mut(place).context("no such node")?.kill();
        Ok(())
    }

    /// Has a node drain, and waits until it has ended.
    pub(super) fn drain_node(&mut self, place: usize) -> Result<Duration> {
        let began = Instant::now();
        self.away = Some(place);
        self.nodes.get(place).context("no such node")?.terminate()?;
        while self.nodes.get_mut(place).is_some_and(Node::lives) {
            ensure!(
                began.elapsed() < DRAIN * 2,
                "node {} does not end when told to",
                place + 1
            );
            self.pause()?;
        }
        Ok(began.elapsed())
    }

    /// Starts the node that is away.
    pub(super) fn start_node(&mut self, place: usize) -> Result<()> {
        let node = self.nodes.get_mut(place).context("no such node")?;
        let starting = node.launch()?;
        node.await_ready(&starting)?;
        self.away = None;
        Ok(())
    }

    /// The metrics of all nodes that run, one text after the other.
    pub(super) fn metrics(&self) -> Result<String> {
        let mut all = String::new();
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            all += &node.metrics()?;
        }
        Ok(all)
    }

    pub(super) fn metrics_of(&self, place: usize) -> Result<String> {
        self.nodes.get(place).context("no such node")?.metrics()
    }

    /// Where the store is.
    pub(super) fn store_url(&self) -> Result<String> {
        store_url(&self.services)
    }

    pub(super) fn service_url(&self, service: Service) -> Result<&str> {
        self.services.url(service)
    }

    /// The services, and the process of each, below which its others are.
    pub(super) fn service_pids(&self) -> &[(Service, u32)] {
        &self.service_pids
    }
}

fn store_url(services: &Services) -> Result<String> {
    Ok(format!("{}/postgres", services.url(Service::Postgres)?))
}

fn shown(totals: &Totals) -> String {
    let get = |name| totals.get(name);
    format!(
        "{} logged in, {} sent, {} arrived, {} confirmed, {} under way, the oldest for {} ms",
        get("ready"),
        get("sent"),
        get("arrived"),
        get("confirmed"),
        get("underWay"),
        totals.oldest_ms
    )
}

/// Raises the limit of open files as far as it goes, for all that is started from here.
fn allow_files() -> Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
