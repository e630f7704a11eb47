//! What must hold before a change lands, cheapest first.

use anyhow::Result;

use crate::steps::{cargo, run};
use crate::test_suite;

/// Formatting, lints, the library without its features, then the whole suite.
///
/// # Errors
/// The first step that fails.
pub(crate) fn run_ci() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo()
        .args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
        ])
        .args(["--", "-D", "warnings"]))?;
    // Features add and never change: an embedder's smallest node must still build.
    run(cargo().args([
        "check",
        "-p",
        "linker-actors",
        "--no-default-features",
        "--locked",
    ]))?;
    test_suite::run_tests()
}
