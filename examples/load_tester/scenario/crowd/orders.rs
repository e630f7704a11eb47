//! What a crowd is told, a line each.

use std::net::SocketAddr;

/// One line of standard input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// `rate N`: so many messages a second from now on; `stop` is `rate 0`.
    Rate(f64),
    /// `nodes ADDRESS=WEIGHT …`: whoever connects from now on goes to one of these, by weight.
    Nodes(Vec<(SocketAddr, u32)>),
    /// `report`: tell the latencies since the last one.
    Report,
    /// `end`: tell the latencies, and end.
    End,
}

impl Order {
    /// # Errors
    /// What is wrong with the line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let order = match words.next() {
            Some("rate") => {
                let rate = words.next().and_then(|word| word.parse().ok());
                let rate = rate.filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
                Self::Rate(rate.ok_or("`rate` needs a number of messages a second")?)
            }
            Some("stop") => Self::Rate(0.0),
            Some("nodes") => {
                let nodes: Result<Vec<_>, String> = words.by_ref().map(node).collect();
                let nodes = nodes?;
                if nodes.iter().all(|(_, weight)| *weight == 0) {
                    return Err("`nodes` needs an ADDRESS=WEIGHT with a weight above 0".to_owned());
                }
                Self::Nodes(nodes)
            }
            Some("report") => Self::Report,
            Some("end") => Self::End,
            _ => return Err(format!("`{line}` is not one of rate, stop, nodes, report, end")),
        };
        match words.next() {
            Some(more) => Err(format!("`{more}` is too much in `{line}`")),
            None => Ok(order),
        }
    }
}

fn node(word: &str) -> Result<(SocketAddr, u32), String> {
    let parsed = word
        .split_once('=')
        .and_then(|(address, weight)| Some((address.parse().ok()?, weight.parse().ok()?)));
    parsed.ok_or_else(|| format!("`{word}` is not ADDRESS:PORT=WEIGHT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_everything_else_is_told() {
        assert_eq!(Order::parse("rate 2.5"), Ok(Order::Rate(2.5)));
        assert_eq!(Order::parse(" stop "), Ok(Order::Rate(0.0)));
        assert_eq!(Order::parse("report"), Ok(Order::Report));
        assert_eq!(Order::parse("end"), Ok(Order::End));
        assert_eq!(
            Order::parse("nodes 127.0.0.1:1=3 127.0.0.1:2=0"),
            Ok(Order::Nodes(vec![
                ("127.0.0.1:1".parse().unwrap(), 3),
                ("127.0.0.1:2".parse().unwrap(), 0)
            ]))
        );
        for wrong in [
            "",
            "rate",
            "rate x",
            "rate -1",
            "rate 1 2",
            "nodes",
            "nodes a=1",
            "nodes 127.0.0.1:1",
            "nodes 127.0.0.1:1=0",
            "rates 1",
            "end now",
        ] {
            assert!(Order::parse(wrong).is_err(), "{wrong}");
        }
    }
}
