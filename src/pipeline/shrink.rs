//! The shortest order that still fails: turns are taken out of a failing run, one part after another, while it goes on
//! failing for the same cause.
//!
//! Delta debugging (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, IEEE TSE 2002), with one step
//! before it: what fails mostly fails early, so the shortest failing beginning is looked for first, by halving. Each try
//! is a replay, and their number is bounded; what is reached then is told, minimal or not. No draw is made, so the same
//! failing run shrinks to the same turns.

/// How many replays one failing run is worth.
pub(super) const REPLAYS: u32 = 100;

/// Items that are left when `fails` has been asked at most `most` times; the list itself fails. `fails` says whether the
/// run fails with these items alone.
///
/// # Errors
/// The first error of `fails`.
pub(super) fn shrink<T: Clone, E>(
    items: &[T],
    most: u32,
    mut fails: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut left = most;
    let mut tried = |items: &[T]| -> Result<bool, E> {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        fails(items)
    };
    if items.is_empty() || tried(&[])? {
        return Ok(Vec::new());
    }
    let mut items = beginning(items, &mut tried)?;
    // How many parts; one of them is left out at a time.
    let mut parts = 2;
    while items.len() > 1 {
        let size = items.len().div_ceil(parts);
        // From the end: what comes late depends on what came before, and hardly the other way round.
        let starts: Vec<usize> = (0..items.len()).step_by(size).collect();
        let mut shorter = None;
        for start in starts.into_iter().rev() {
            let without: Vec<T> =
                items[..start].iter().chain(&items[(start + size).min(items.len())..]).cloned().collect();
            if tried(&without)? {
                shorter = Some(without);
                break;
            }
        }
        match shorter {
            Some(without) => {
                items = without;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (2 * parts).min(items.len()),
        }
    }
    Ok(items)
}

/// The shortest beginning that fails, where failing grows with length; any failing one where it does not.
fn beginning<T: Clone, E>(items: &[T], tried: &mut impl FnMut(&[T]) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let (mut passes, mut fails) = (0, items.len());
    while fails - passes > 1 {
        let middle = passes + (fails - passes) / 2;
        if tried(&items[..middle])? {
            fails = middle;
        } else {
            passes = middle;
        }
    }
    Ok(items[..fails].to_vec())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Shrinks 0..n, which fails where it holds all that is needed; and how often that was asked.
    fn shrunk(n: u32, most: u32, needed: &[u32]) -> (Vec<u32>, u32) {
        let all: Vec<u32> = (0..n).collect();
        let mut asked = 0;
        let fails = |items: &[u32]| {
            asked += 1;
            Ok::<_, Infallible>(needed.iter().all(|one| items.contains(one)))
        };
        let Ok(left) = shrink(&all, most, fails);
        (left, asked)
    }

    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        for needed in [&[][..], &[0], &[63], &[17], &[3, 40], &[0, 1, 2], &[5, 30, 31, 62]] {
            assert_eq!(shrunk(64, 1000, needed).0, needed);
        }
        assert!(shrunk(0, 10, &[]).0.is_empty());
    }

    #[test]
    fn one_needed_turn_of_very_many_is_found_within_the_bound() {
        let (left, asked) = shrunk(500, REPLAYS, &[321]);
        assert_eq!(left, [321]);
        assert!(asked <= 50, "{asked}");
        assert_eq!(shrunk(500, REPLAYS, &[17, 321]).0, [17, 321]);
    }

    #[test]
    fn the_bound_is_kept_and_what_is_left_fails() {
        let needed: Vec<u32> = (0..64).step_by(2).collect();
        let (left, asked) = shrunk(64, 20, &needed);
        assert!(asked <= 20 && needed.iter().all(|one| left.contains(one)), "{asked} {left:?}");
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(shrink(&[1, 2, 3], 10, |_| Err::<bool, _>("gone")), Err("gone"));
    }
}
