//! What several rounds are summed up to.

/// The middle value, or the mean of the two in the middle. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted.get(upper).copied();
    }
    let lower = upper.checked_sub(1)?;
    Some(f64::midpoint(*sorted.get(lower)?, *sorted.get(upper)?))
}

/// The median of the ratios within each round that has both values. What drifts from round to round cancels out.
pub(crate) fn median_ratio(values: &[(u32, f64)], to: &[(u32, f64)]) -> Option<f64> {
    let ratios: Vec<f64> = values
        .iter()
        .filter_map(|(round, value)| {
            let (_, base) = to.iter().find(|(other, base)| other == round && *base != 0.0)?;
            Some(value / base)
        })
        .collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was half as fast in round 1: both took twice as long.
        let linker = [(0, 10.0), (1, 20.0), (2, 11.0)];
        let echo = [(0, 5.0), (1, 10.0), (2, 5.0)];
        assert_eq!(median_ratio(&linker, &echo), Some(2.0));
    }

    #[test]
    fn a_round_without_its_counterpart_does_not_count() {
        assert_eq!(median_ratio(&[(0, 6.0), (1, 100.0)], &[(0, 2.0)]), Some(3.0));
        assert_eq!(median_ratio(&[(0, 6.0)], &[(0, 0.0)]), None);
        assert_eq!(median_ratio(&[], &[(0, 1.0)]), None);
    }
}
