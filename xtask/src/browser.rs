//! A headless browser and its driver for the tests of the demo page: named by the environment, found on the path, or
//! installed as Debian's packages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{announce, output_of};
use crate::{debian, programs};

/// The variable that names the browser, for this program and for the tests.
pub(crate) const CHROMIUM: &str = "CHROMIUM";
/// The variable that names the driver, for this program and for the tests.
pub(crate) const CHROMEDRIVER: &str = "CHROMEDRIVER";

const CHROMIUM_NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const CHROMEDRIVER_NAMES: [&str; 1] = ["chromedriver"];
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

const BY_HAND: &str = "install Chromium and ChromeDriver (on Debian: apt-get install chromium chromium-driver), \
                       or name them in CHROMIUM and CHROMEDRIVER";

/// The two programs, by path.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

/// Finds browser and driver, or installs them, and sees that both run.
///
/// # Errors
/// They are not there and cannot be installed (not Debian, neither root nor sudo, no package); says what to do by hand.
pub(crate) fn find_or_install() -> Result<Browser> {
    announce("a browser for the page tests");
    let browser = match find()? {
        Some(browser) => browser,
        None => {
            debian::install(&PACKAGES).context(BY_HAND)?;
            find()?.with_context(|| {
                format!("the browser's packages are installed, but it is not on the path; {BY_HAND}")
            })?
        }
    };
    for program in [&browser.chromium, &browser.chromedriver] {
        let version = output_of(Command::new(program).arg("--version"))?;
        println!("{}: {}", program.display(), version.trim());
    }
    Ok(browser)
}

fn find() -> Result<Option<Browser>> {
    let chromium = programs::locate(CHROMIUM, &CHROMIUM_NAMES)?;
    let chromedriver = programs::locate(CHROMEDRIVER, &CHROMEDRIVER_NAMES)?;
    Ok(chromium
        .zip(chromedriver)
        .map(|(chromium, chromedriver)| Browser {
            chromium,
            chromedriver,
        }))
}
