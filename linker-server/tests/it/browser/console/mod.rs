//! The console in a real headless Chromium, against real nodes.

mod keyboard;
mod layout;
mod pushes;
mod sign_in;
mod start;
mod users;
mod wrong;

use serde_json::{Value, json};

use super::Browser;
use super::page::Page;
use crate::harness::Node;

/// The console of a node, with its first answers shown where no token is needed.
struct Console<'a> {
    page: Page<'a>,
}

impl<'a> Console<'a> {
    fn open(browser: &'a Browser, node: &Node) -> Self {
        Self {
            page: Page::at(browser, &format!("http://{}/console", node.admin)),
        }
    }

    /// Opens it and waits until it says how the domain does.
    async fn shown(browser: &'a Browser, node: &Node) -> Self {
        let console = Self::open(browser, node);
        console.says("Everything is well.").await;
        console
    }

    /// Waits until the line at the top says so.
    async fn says(&self, wanted: &str) {
        self.page.wait_for_text("#wrong", wanted).await;
    }

    fn sign_in(&self, token: &str) {
        self.page.fill("#token", token);
        self.page.press_enter("#token");
    }

    /// Looks for a user and waits until it is shown.
    async fn find(&self, user: &str) {
        self.page.fill("#user", user);
        self.page.press_enter("#user");
        self.page.wait_for_text("#found-user", user).await;
    }

    /// Clicks what may be beneath the line at the top, which stays.
    fn click(&self, selector: &str) {
        let script = "document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })";
        self.ask(script, &[json!(selector)]);
        self.page.click(selector);
    }

    fn is_shown(&self, selector: &str) -> bool {
        let script = "return document.querySelector(arguments[0])?.checkVisibility() ?? false";
        self.ask(script, &[json!(selector)]) == true
    }

    fn ask(&self, script: &str, arguments: &[Value]) -> Value {
        self.page.front().run(script, arguments)
    }
}
