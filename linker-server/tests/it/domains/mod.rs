//! Several domains, linked into a network.

mod crossing;
mod cuts;
mod homes;
mod load;
