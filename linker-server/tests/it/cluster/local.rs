//! Two users of one node, whom nothing that happens to others may disturb.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::{Client, Node, fast, message, with};

/// Less than anything that waits for a service: the calls to those end after two seconds.
const UNNOTICED: Duration = Duration::from_millis(1900);
/// A loaded machine stands still now and then. Who waits for a service waits for it again and again, as long as it is away.
const STANDSTILLS: usize = 1;

/// FAST and RELIABLE to and fro on one node, until asked how it went.
pub(crate) struct LocalUsers {
    end: watch::Sender<bool>,
    talking: JoinHandle<(Vec<Duration>, usize)>,
}

impl LocalUsers {
    /// Users of this number and the next, of the app `XYZ`.
    pub(crate) async fn start(node: &Node, number: u32) -> Self {
        let (to, from) = (format!("XYZ-{}", number + 1), format!("XYZ-{number}"));
        let mut one = Client::login(node, &from).await;
        let mut two = Client::login(node, &to).await;
        one.delivery_fence(&to, "begin").await;
        two.expect("MESSAGE").await;
        let end = watch::Sender::new(false);
        let ended = end.subscribe();
        let talking = tokio::spawn(async move {
            let (mut noticed, mut rounds) = (Vec::new(), 0);
            while !*ended.borrow() {
                let begun = Instant::now();
                one.send(fast(&to, rounds));
                let reference = format!("local-{rounds}");
                one.send(with(message(&to, rounds), "reference", reference.as_str()));
                for feature in ["FAST", "RELIABLE"] {
                    let came = two.next().await;
                    assert_eq!(came["data"]["content"], rounds, "{}", came.text);
                    assert_eq!(came["feature"], feature, "{}", came.text);
                }
                one.expect_for("MESSAGE_CONFIRMATION", &reference).await;
                noticed.extend(Some(begun.elapsed()).filter(|took| *took >= UNNOTICED));
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (noticed, rounds)
        });
        Self { end, talking }
    }

    /// They never noticed.
    pub(crate) async fn noticed_nothing(self) {
        self.end.send_replace(true);
        let (noticed, rounds) = self.talking.await.expect("nothing was lost or reordered");
        assert!(rounds > 5, "only {rounds} rounds prove little");
        assert!(noticed.len() <= STANDSTILLS, "messages took {noticed:?}");
    }
}
