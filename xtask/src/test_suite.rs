//! The whole suite. Whatever it needs from the machine is found or installed first; nothing is skipped for want of it.

use anyhow::Result;

use crate::services::{self, Search};
use crate::steps::{cargo, run};
use crate::{browser, dependency_direction, examples, instructions, promtool, systemd, valgrind};

/// Runs all tests of the workspace and the examples' checks of themselves, and counts instructions.
///
/// # Errors
/// Something needed that cannot be had, or the first step that fails.
pub(crate) fn run_tests() -> Result<()> {
    dependency_direction::check()?;
    let browser = browser::find_or_install()?;
    let valgrind = valgrind::find_or_install()?;
    let systemd_analyze = systemd::find_or_install()?;
    let promtool = promtool::find_or_install()?;
    let services = services::find_or_start(Search::Anywhere)?;
    let mut tests = cargo();
    tests.args([
        "test",
        "--workspace",
        "--all-features",
        "--locked",
        "--no-fail-fast",
    ]);
    // The browser tests take these as they are; they look no further.
    tests
        .env(browser::CHROMIUM, &browser.chromium)
        .env(browser::CHROMEDRIVER, &browser.chromedriver)
        .env(systemd::SYSTEMD_ANALYZE, &systemd_analyze)
        .env(promtool::VARIABLE, &promtool)
        .envs(services.variables().iter().map(|(name, url)| (name, url)));
    run(&mut tests)?;
    examples::check_all(services.variables())?;
    // Last, for it needs none of them, and who has broken something wants to know that first.
    drop(services);
    instructions::check(&valgrind)
}
