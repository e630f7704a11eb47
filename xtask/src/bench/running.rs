//! Runs suites: round by round, each load under the lock, every sample kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::services::{self, Search, Services};
use crate::steps::{announce, workspace_root};

use super::contender::Programs;
use super::databases::{Databases, Urls};
use super::folder::Folder;
use super::load::Load;
use super::options::Options;
use super::results::{Results, Sample, sample_of, write};
use super::setting::Setting;
use super::suites::Suite;

/// A load that failed so often is not tried again: what is not there does not come.
const FAILURES_MAX: u32 = 2;

/// What suites run on.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) programs: Programs,
    pub(crate) folder: Folder,
    results: Results,
    round: u32,
    failures: BTreeMap<(String, String), u32>,
    lock: Option<File>,
    services: Option<(Services, Databases)>,
}

impl Bench {
    /// # Errors
    /// Programs do not build, the folder or the lock's file cannot be made.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let lock = match &options.lock {
            Some(file) => Some(
                File::options()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(file)
                    .with_context(|| format!("cannot open {}", file.display()))?,
            ),
            None => None,
        };
        Ok(Self {
            options: options.clone(),
            programs: super::build::programs()?,
            folder: Folder::new()?,
            results: Results::new("", Setting::default()),
            round: 0,
            failures: BTreeMap::new(),
            lock,
            services: None,
        })
    }

    /// Runs all rounds of a suite; what there is is written after each.
    ///
    /// # Errors
    /// The results cannot be written. What fails in a round is part of the results.
    pub(crate) fn measure(&mut self, suite: &Suite) -> Result<()> {
        let setting = Setting::here(self.options.rounds, self.options.seconds, self.options.quick);
        self.results = Results::new(suite.name, setting);
        self.failures.clear();
        for round in 0..self.options.rounds {
            announce(&format!(
                "{}, round {} of {}",
                suite.name,
                round + 1,
                self.options.rounds
            ));
            self.round = round;
            if let Err(error) = (suite.round)(self) {
                println!("    {error:#}");
                self.note("the suite", "round", "", Sample::failed(&error));
            }
            self.folder.empty();
            write(&data_file(suite.name), &self.results)?;
        }
        Ok(())
    }

    /// Runs a load that has its own server, and keeps what came of it. `None` if that failed, or did so before.
    pub(crate) fn run(&mut self, load: &Load) -> Option<Sample> {
        let sample = self.run_with(load, |bench, load| bench.take(load));
        self.folder.empty();
        sample
    }

    /// Runs a load by what `measure` does, who may add figures of its own.
    pub(crate) fn run_with(
        &mut self,
        load: &Load,
        measure: impl FnOnce(&Self, &Load) -> Result<Sample>,
    ) -> Option<Sample> {
        let key = (load.case.clone(), load.name.clone());
        if self
            .failures
            .get(&key)
            .is_some_and(|failed| *failed >= FAILURES_MAX)
        {
            return None;
        }
        println!("    {}, {}", load.case, load.name);
        let _held = self.hold_lock();
        let outcome = measure(self, load);
        let sample = match outcome {
            Ok(mut sample) => {
                sample.round = self.round;
                sample
            }
            Err(error) => {
                println!("    failed: {error:#}");
                *self.failures.entry(key).or_default() += 1;
                Sample::failed(&error)
            }
        };
        let good = sample.error.is_none().then(|| sample.clone());
        self.note(&load.case, &load.name, &load.shown(), sample);
        good
    }

    /// Runs a load now, without keeping anything.
    ///
    /// # Errors
    /// As [`Load::run`].
    pub(crate) fn take(&self, load: &Load) -> Result<Sample> {
        Ok(sample_of(self.round, &load.run(self.folder.path())?))
    }

    fn note(&mut self, case: &str, name: &str, command: &str, mut sample: Sample) {
        sample.round = self.round;
        self.results.add(case, name, command, sample);
    }

    /// Nobody else measures while this is held.
    pub(crate) fn hold_lock(&self) -> Option<Held> {
        let file = self.lock.as_ref()?.try_clone().ok()?;
        file.lock().ok()?;
        Some(Held(file))
    }

    /// PostgreSQL, Redis and RabbitMQ, found or started when first asked for.
    ///
    /// # Errors
    /// They can be neither found nor started.
    pub(crate) fn urls(&mut self) -> Result<Urls> {
        Ok(self.databases()?.urls().clone())
    }

    /// The same, with databases to be made in PostgreSQL.
    ///
    /// # Errors
    /// As [`Bench::urls`].
    pub(crate) fn databases(&mut self) -> Result<&mut Databases> {
        if self.services.is_none() {
            let services = services::find_or_start(Search::Anywhere)?;
            let databases = Databases::new(services.variables())?;
            self.services = Some((services, databases));
        }
        let (_, databases) = self.services.as_mut().context("services were just found")?;
        Ok(databases)
    }

    /// `full`, or `quick` where it need not mean anything.
    pub(crate) const fn count<T: Copy>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// The options of time that every load has.
    pub(crate) fn seconds(&self) -> String {
        let warm_up = self.count(2, 1);
        format!("--seconds {} --warm-up {warm_up}", self.options.seconds)
    }
}

impl Sample {
    fn failed(error: &anyhow::Error) -> Self {
        Self {
            error: Some(format!("{error:#}")),
            ..Self::default()
        }
    }
}

/// The lock, until dropped.
pub(crate) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // The descriptor is shared with the one that is kept, so closing would not do.
        let _ = self.0.unlock();
    }
}

/// Where the results of a suite are kept.
pub(crate) fn data_file(suite: &str) -> PathBuf {
    workspace_root().join(format!("docs/benchmarks/data/{suite}.json"))
}
