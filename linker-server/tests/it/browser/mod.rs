//! The demo page, linker-client.js and the console in a real headless Chromium, against the real binary.

mod client;
mod console;
mod domains;
mod group;
mod https;
mod layout;
mod master;
mod missed;
mod page;
mod reconnect;
mod two_tabs;
mod webdriver;

use page::Page;
use webdriver::Browser;
