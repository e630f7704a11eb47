//! Records in memory.

use std::collections::BTreeMap;

use linker_core::port::{Expected, Record, RecordWrite};

/// By key.
#[derive(Debug, Default)]
pub(super) struct MemoryRecords(BTreeMap<String, Record>);

impl MemoryRecords {
    pub(super) fn write(&mut self, writes: Vec<RecordWrite>) -> bool {
        let as_expected = |write: &RecordWrite| {
            let version = self.0.get(&write.key).map(|record| record.version);
            match write.expected {
                Expected::Anything => true,
                Expected::Nothing => version.is_none(),
                Expected::Version(wanted) => version == Some(wanted),
            }
        };
        if !writes.iter().all(as_expected) {
            return false;
        }
        for RecordWrite {
            key,
            body,
            expires_ms,
            ..
        } in writes
        {
            let version = self.0.get(&key).map_or(0, |record| record.version) + 1;
            match body {
                None => drop(self.0.remove(&key)),
                Some(body) => {
                    let record = Record {
                        key: key.clone(),
                        version,
                        body,
                        expires_ms,
                    };
                    self.0.insert(key, record);
                }
            }
        }
        true
    }

    pub(super) fn read(&self, mut keys: Vec<String>) -> Vec<Record> {
        keys.sort_unstable();
        keys.dedup();
        keys.iter().filter_map(|key| self.0.get(key).cloned()).collect()
    }

    pub(super) fn list(&self, prefix: &str, after: &str, max: u32) -> Vec<Record> {
        self.0
            .values()
            .skip_while(|record| *record.key < *prefix)
            .take_while(|record| record.key.starts_with(prefix))
            .filter(|record| *record.key > *after)
            .take(max as usize)
            .cloned()
            .collect()
    }

    pub(super) fn expire(&mut self, now_ms: u64, max: u32) -> u64 {
        let expired: Vec<String> = self
            .0
            .values()
            .filter(|record| record.expires_ms < now_ms)
            .take(max as usize)
            .map(|record| record.key.clone())
            .collect();
        for key in &expired {
            self.0.remove(key);
        }
        expired.len() as u64
    }
}
