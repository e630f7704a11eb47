//! Ten fixed paths of the core take no more instructions than they did: `linker-core/benches/instructions.rs` does them, callgrind counts, and the
//! baseline beside it says how many there were. Instructions and no time, so that it does not matter what else the machine does.

mod baseline;
mod comparison;
mod counting;

use anyhow::{Context, Result, bail};

use self::baseline::Baseline;
use self::comparison::Comparison;
use crate::steps::announce;
use crate::valgrind::{self, Valgrind};

/// Counts and compares: `cargo xtask instructions`.
///
/// # Errors
/// As [`check`], or Valgrind cannot be had.
pub(crate) fn compare() -> Result<()> {
    check(&valgrind::find_or_install()?)
}

/// Counts, compares and says how the paths have changed.
///
/// # Errors
/// Something cannot be built or counted, there is no baseline, a path takes more than a tenth more than before, or the paths are not those of the baseline.
pub(crate) fn check(valgrind: &Valgrind) -> Result<()> {
    let before = Baseline::read().context(baseline::HOW_TO_MOVE)?;
    let now = count(valgrind)?;
    let comparison = Comparison::of(&before.counts, &now.counts);
    print!("{comparison}");
    let made_otherwise = now.made_otherwise_than(&before);
    for difference in &made_otherwise {
        println!("{difference}");
    }
    let fell = comparison.fell();
    if !fell.is_empty() {
        println!(
            "fewer by more than a tenth: {}. Keep it so: {}",
            fell.join(", "),
            baseline::HOW_TO_MOVE
        );
    }
    let problems = comparison.problems();
    if !problems.is_empty() {
        let perhaps = match made_otherwise.is_empty() {
            true => "",
            false => " (see above what else is not as it was then)",
        };
        bail!(
            "{}{perhaps}. If that is meant: {}",
            problems.join("; "),
            baseline::HOW_TO_MOVE
        );
    }
    Ok(())
}

/// Counts and takes what comes out for the new baseline: `cargo xtask instructions --accept`.
///
/// # Errors
/// Something cannot be built or counted, or the baseline cannot be written.
pub(crate) fn accept() -> Result<()> {
    let now = count(&valgrind::find_or_install()?)?;
    // What was there before may be unreadable, or nothing.
    let before = Baseline::read().map(|before| before.counts).unwrap_or_default();
    print!("{}", Comparison::of(&before, &now.counts));
    now.write()
}

fn count(valgrind: &Valgrind) -> Result<Baseline> {
    let program = counting::build()?;
    announce("instructions of ten paths");
    Ok(Baseline {
        rustc: counting::rustc_version()?,
        valgrind: valgrind.version.clone(),
        counts: counting::count_all(&valgrind.program, &program)?,
    })
}
