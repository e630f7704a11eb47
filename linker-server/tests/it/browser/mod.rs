//! The demo page and linker-client.js in a real headless Chromium, against the real binary.

mod client;
mod domains;
mod group;
mod layout;
mod master;
mod missed;
mod page;
mod reconnect;
mod two_tabs;
mod webdriver;

use page::Page;
use webdriver::Browser;
