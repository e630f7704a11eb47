//! `cargo xtask bench`: Linker beside its peers, suite by suite, and the page that tells what came of it.

mod build;
mod contender;
mod databases;
mod folder;
mod load;
mod options;
mod page;
mod plot;
mod process;
mod report;
mod results;
mod running;
mod server;
mod setting;
mod statistics;
mod suites;

use anyhow::{Result, bail};

use self::options::Options;
pub(crate) use self::options::USAGE;
use self::running::Bench;
use self::suites::SUITES;

/// Runs what the words ask for and writes the page.
///
/// # Errors
/// Wrong words, programs that cannot be built, files that cannot be written. What fails in a run is named on the page instead.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if matches!(words, ["--help" | "-h" | "help"]) {
        println!("{USAGE}");
        return Ok(());
    }
    let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    let options = match Options::parse(words, &names) {
        Ok(options) => options,
        Err(error) => bail!("{error}\n\n{USAGE}"),
    };
    if !options.render_only {
        let mut bench = Bench::new(&options)?;
        for suite in SUITES.iter().filter(|suite| options.wants(suite.name)) {
            bench.measure(suite)?;
        }
    }
    report::write()
}
