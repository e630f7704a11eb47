//! Whom to write to next: speed matters, quality hardly.

/// The xorshift64* generator. The same numbers in every run, so that runs compare.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// Numbers of its own for each `seed`: for processes that must not all choose alike.
    pub(crate) fn seeded(seed: u32) -> Self {
        let mut random = Self(Self::new().0 ^ (u64::from(seed) + 1).wrapping_mul(0xD134_2543_DE82_EF95));
        // The first numbers of seeds that are near to each other are so too.
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_has_numbers_of_its_own() {
        let first = |seed| Random::seeded(seed).below(1_000_000);
        let mut firsts: Vec<u32> = (0..100).map(first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 100);
        assert_eq!(first(7), first(7));
    }

    #[test]
    fn every_number_below_the_bound_comes_about_equally_often() {
        let mut random = Random::new();
        let mut seen = [0_u32; 10];
        for _ in 0..100_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (9_000..11_000).contains(count)),
            "{seen:?}"
        );
    }
}
