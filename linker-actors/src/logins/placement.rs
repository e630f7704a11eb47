//! Which node a client is sent to.

use crate::inspection::NodeReport;

/// Urls that a client is told: the one it should take, and one to try when that does not answer.
const URLS_MAX: usize = 2;

/// Two of those that take sessions, at random by their weights, the less loaded first: no node is flooded by all who log in before its load is seen. Empty where
/// none does.
pub(super) fn place(nodes: &[NodeReport], mut random: impl FnMut() -> u64) -> Vec<String> {
    let mut candidates: Vec<&NodeReport> = nodes
        .iter()
        .filter(|node| !node.is_draining && !node.url.is_empty() && node.weight > 0)
        .collect();
    let mut chosen: Vec<&NodeReport> = Vec::with_capacity(URLS_MAX);
    while chosen.len() < URLS_MAX && !candidates.is_empty() {
        let all: u64 = candidates.iter().map(|node| u64::from(node.weight)).sum();
        let mut point = random() % all;
        let at = candidates.iter().position(|node| {
            let weight = u64::from(node.weight);
            let is_it = point < weight;
            point = point.saturating_sub(weight);
            is_it
        });
        chosen.push(candidates.swap_remove(at.unwrap_or_default()));
    }
    // Compared as fractions, without dividing.
    chosen.sort_by_key(|node| (u128::from(node.sessions) << 32) / u128::from(node.weight));
    chosen.into_iter().map(|node| node.url.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, sessions: u64, weight: u32) -> NodeReport {
        NodeReport {
            name: name.parse().expect("a name"),
            is_draining: false,
            sessions,
            weight,
            since_ms: 0,
            version: String::new(),
            url: name.to_owned(),
        }
    }

    /// How often each is the first, over many turns.
    fn firsts(nodes: &[NodeReport]) -> Vec<u32> {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let mut counts = vec![0; nodes.len()];
        for _ in 0..10_000 {
            let first = place(nodes, &mut random).remove(0);
            counts[nodes
                .iter()
                .position(|node| node.url == first)
                .expect("one of them")] += 1;
        }
        counts
    }

    #[test]
    fn the_fullest_is_never_taken_and_the_others_often() {
        let counts = firsts(&[node("a", 10, 1), node("b", 20, 1), node("c", 90, 1)]);
        assert_eq!(counts[2], 0, "of any two another one has less");
        assert!(counts[0] > counts[1] && counts[1] > 2000, "{counts:?}");
    }

    #[test]
    fn weights_are_shares() {
        let counts = firsts(&[node("a", 100, 1), node("b", 100, 3)]);
        assert_eq!(counts[0], 0, "b has room for three times as many");
        let counts = firsts(&[node("a", 10, 1), node("b", 30, 3), node("c", 10, 1)]);
        assert!(counts[1] > counts[0], "{counts:?}");
    }

    #[test]
    fn who_takes_nobody_is_not_told() {
        let draining = NodeReport {
            is_draining: true,
            ..node("a", 0, 1)
        };
        let nameless = NodeReport {
            url: String::new(),
            ..node("b", 0, 1)
        };
        let refusing = node("c", 0, 0);
        let all = [draining, nameless, refusing];
        assert_eq!(place(&all, || 1), Vec::<String>::new());
        let one = [node("d", 5, 1)];
        assert_eq!(place(&one, || 1), ["d"]);
    }
}
