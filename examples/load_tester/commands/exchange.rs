//! Messages from client to client: `closed`, `open` and `seed-table`.

use super::{Bench, MEASURED};
use crate::cli::{
    ClosedArguments, ExchangeArguments, Feature, OpenArguments, SeedTableArguments, TargetKind, To,
};
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::flight::Goal;
use crate::protocol::LoginOptions;
use crate::report::{Label, Work};
use crate::scenario::TIMED_PHASES;
use crate::scenario::exchange::{ExchangePlan, Pacing, Recipients};
use crate::wire::MessageShape;

/// The seed's pace: one message so often for so many connections.
const SEED_INTERVAL_MS: f64 = 10.0;
const SEED_CONNECTIONS: f64 = 1000.0;

impl Bench<'_> {
    pub(super) fn closed(&mut self, arguments: &ClosedArguments) -> Result<(), LoadError> {
        for feature in self.features(&arguments.exchange.feature) {
            let load = format!("{}×{}", arguments.exchange.connections, arguments.in_flight);
            let pacing = Pacing::Window(arguments.in_flight);
            self.exchange(&arguments.exchange, feature, pacing, load)?;
        }
        Ok(())
    }

    pub(super) fn open(&mut self, arguments: &OpenArguments) -> Result<(), LoadError> {
        for feature in self.features(&arguments.exchange.feature) {
            for rate in &arguments.rate {
                let load = format!("{} at {rate}/s", arguments.exchange.connections);
                let pacing = self.paced(f64::from(*rate));
                self.exchange(&arguments.exchange, feature, pacing, load)?;
            }
        }
        Ok(())
    }

    pub(super) fn seed_table(&mut self, arguments: &SeedTableArguments) -> Result<(), LoadError> {
        for feature in self.features(&[Feature::Fast, Feature::Reliable]) {
            for connections in &arguments.connections {
                let exchange = ExchangeArguments {
                    connections: *connections,
                    size: arguments.size,
                    feature: vec![feature],
                    to: To::Itself,
                    confirm: arguments.confirm,
                };
                let rate = 1000.0 / SEED_INTERVAL_MS * f64::from(*connections) / SEED_CONNECTIONS;
                let load = format!("{connections} at {rate:.0}/s");
                self.exchange(&exchange, feature, self.paced(rate), load)?;
            }
        }
        Ok(())
    }

    /// An echo knows no features, so that one run stands for both; NATS knows one.
    fn features(&self, asked: &[Feature]) -> Vec<Feature> {
        match self.target.kind {
            TargetKind::Echo | TargetKind::Nats => vec![Feature::Fast],
            TargetKind::Linker | TargetKind::Mqtt | TargetKind::SocketIo | TargetKind::Xmpp => asked.to_vec(),
        }
    }

    fn exchange(
        &mut self,
        arguments: &ExchangeArguments,
        feature: Feature,
        pacing: Pacing,
        load: String,
    ) -> Result<(), LoadError> {
        let confirm = arguments.confirm && feature == Feature::Reliable && !self.echoes();
        let to_itself = self.echoes() || arguments.to == To::Itself;
        if !to_itself && arguments.connections < 2 * self.common.threads {
            return Err(LoadError::Usage(
                "writing to others takes two connections a thread".to_owned(),
            ));
        }
        let addresses = 1 + self.common.other_url.len() as u32;
        let elsewhere = arguments.to == To::Elsewhere && !to_itself;
        if elsewhere && (addresses < 2 || arguments.connections < addresses * self.common.threads) {
            return Err(LoadError::Usage(
                "writing to clients at another address takes an --other-url, and a connection a thread to each".to_owned(),
            ));
        }
        let shape = MessageShape {
            feature,
            size: arguments.size as usize,
            with_reference: confirm,
            with_confirmation: confirm,
            to_group: false,
        };
        let plan = |thread: u32| ExchangePlan {
            user_ids: self.user_ids(0, self.share(arguments.connections, thread)),
            absent_ids: Vec::new(),
            login_options: LoginOptions::default(),
            pacing,
            recipients: match arguments.to {
                _ if to_itself => Recipients::Itself,
                To::Elsewhere => Recipients::Elsewhere { addresses },
                To::Other | To::Itself => Recipients::Other,
            },
            goal: match (confirm, self.target.kind) {
                (false, _) => Goal::Arrival,
                // The broker's word, which says nothing about the recipient.
                (true, TargetKind::Mqtt) => Goal::ArrivalAndReceipt,
                (true, _) => Goal::ArrivalAndAnswer,
            },
            shape,
            warm_up_ns: self.common.warm_up * SECOND,
            measure_ns: self.common.seconds * SECOND,
            timeout_ns: self.common.timeout * SECOND,
            messages_max: u64::MAX,
        };
        let run_name = format!("{} {load}", feature.name());
        let run_plan = self.run_plan(run_name, TIMED_PHASES, arguments.connections, 0)?;
        let outcome = self.run_exchange(&run_plan, plan)?;
        let feature = if confirm {
            "RELIABLE, confirmed"
        } else {
            feature.name()
        };
        self.add(
            Label {
                feature,
                load,
                size: Some(arguments.size),
                work: Work::Delivered,
                span: MEASURED,
            },
            &outcome,
        );
        Ok(())
    }
}
