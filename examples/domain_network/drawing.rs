//! The ring, as letters.

use crate::names::{USERS, shown};
use crate::network::{Network, Way};

/// The ring, and a line for each domain.
pub(crate) fn draw(network: &Network) -> String {
    let ways = network.ways();
    let is_up = |a: usize, b: usize| {
        let mut link = ways
            .iter()
            .filter(|way| [(a, b), (b, a)].contains(&(way.from, way.to)));
        link.all(|way| way.down.is_none())
    };
    let across = |a, b| {
        if is_up(a, b) {
            "════════════"
        } else {
            "═════  ═════"
        }
    };
    let down = |a, b| if is_up(a, b) { '║' } else { ' ' };
    let (left, right) = (down(0, 3), down(1, 2));
    let mut text = format!(
        "   {} {} {}\n       ║                      ║\n       {left}                      {right}\n       ║                      ║\n   {} {} {}\n\n",
        shown(0),
        across(0, 1),
        shown(1),
        shown(3),
        across(2, 3),
        shown(2),
    );
    for (domain, (from, to)) in USERS.into_iter().enumerate() {
        let users = to.map_or_else(
            || format!("ANZ-{from} and above"),
            |to| format!("ANZ-{from} to ANZ-{to}"),
        );
        text += &format!("   {}  {users:<27} {}\n", shown(domain), network.url(domain));
        for way in ways.iter().filter(|way| way.from == domain) {
            text += &format!("              to {}: {}\n", shown(way.to), state(way));
        }
    }
    text
}

fn state(way: &Way) -> String {
    let state = way
        .down
        .as_ref()
        .map_or_else(|| "up".into(), |why| format!("down, {why}"));
    match way.backlog {
        0 => state,
        waiting => format!("{state}; {waiting} wait for it"),
    }
}
