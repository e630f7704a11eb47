//! Several domains, linked into a network.

mod crossing;
mod cuts;
mod forged;
mod homes;
mod load;
