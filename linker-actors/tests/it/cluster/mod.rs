//! Several nodes of one domain in this process: presence, bus and store in memory, with switches for what may happen to real ones.

mod absent;
mod bus_faults;
mod death;
mod domain;
mod drain;
mod exchange;
mod fetch_turns;
mod group;
mod ingress;
mod moving;
mod presence_faults;
mod reading;
mod repetition;
mod sessions;
mod slow;
mod store_faults;
mod switched_presence;
mod users;

use domain::{Domain, Member};
use reading::in_order_dropping_repetitions;
