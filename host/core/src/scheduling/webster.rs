//! Dealing out seats by votes after Webster (Sainte-Laguë), the way replicas are divided by weights.
//!
//! Knows nothing of clusters: parties have names and votes. Source: controlplane.md §4.8.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Who takes part: a name, unique among the parties, and a number of votes. Without votes there are no seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party<'a> {
    /// Decides ties.
    pub name: &'a str,
    /// Not more than 0: the party gets nothing.
    pub votes: i64,
}

/// Which of two parties gets a seat when votes and seats are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// The first by name.
    Ascending,
    /// The last by name.
    Descending,
}

impl Ties {
    /// The direction that belongs to an object, so that single replicas of many objects do not all land in one cluster.
    ///
    /// Descending when the FNV-1a hash of the UID is odd. The prime of FNV is odd, so its lowest bit is that of the basis (1)
    /// with the lowest bit of each byte.
    pub fn of_uid(uid: &str) -> Self {
        let is_odd = uid.bytes().fold(1, |parity, byte| parity ^ (byte & 1)) == 1;
        if is_odd && !uid.is_empty() { Self::Descending } else { Self::Ascending }
    }
}

/// Deals `seats` to `parties`; the answer has their order. Nothing is dealt when nobody has votes.
///
/// The time does not depend on the number of seats: the bulk is dealt by share, the rest one by one.
pub fn dispense(seats: i64, parties: &[Party<'_>], ties: Ties) -> Vec<i64> {
    let mut dealt = sure_seats(seats, parties);
    let mut queue = queue_of(parties, &dealt, ties);
    for _ in dealt.iter().sum()..seats {
        let Some(mut next) = queue.peek_mut() else { break };
        dealt[next.party] += 1;
        next.seats += 1;
    }
    dealt
}

/// The seats whose quotient is at least that of the divisor `total / (seats - parties / 2)`. They are the first to be dealt, and
/// never more than there are.
fn sure_seats(seats: i64, parties: &[Party<'_>]) -> Vec<i64> {
    let voting = || parties.iter().map(|party| i128::from(party.votes.max(0)));
    let (total, count) = (voting().sum::<i128>(), parties.len() as i128);
    let doubled = 2 * i128::from(seats) - count;
    if total == 0 || doubled <= 0 {
        return vec![0; parties.len()];
    }
    let share = |votes: i128| (votes * doubled + total) / (2 * total);
    voting().map(|votes| i64::try_from(share(votes)).expect("a share is at most all the seats")).collect()
}

/// The parties with votes; the one that gets the next seat is the greatest.
fn queue_of(parties: &[Party<'_>], dealt: &[i64], ties: Ties) -> BinaryHeap<Turn> {
    let mut order: Vec<usize> = (0..parties.len()).filter(|&party| parties[party].votes > 0).collect();
    match ties {
        Ties::Ascending => order.sort_unstable_by_key(|&party| parties[party].name),
        Ties::Descending => order.sort_unstable_by_key(|&party| Reverse(parties[party].name)),
    }
    let turn = |(rank, party): (usize, usize)| Turn { votes: parties[party].votes, seats: dealt[party], rank, party };
    order.into_iter().enumerate().map(turn).collect()
}

/// A party's claim to the next seat: the greater `votes / (2 seats + 1)`, then the fewer seats, then the rank by name.
struct Turn {
    votes: i64,
    seats: i64,
    rank: usize,
    party: usize,
}

impl Turn {
    /// Compared as whole numbers, so that equal quotients are equal.
    fn weighed_by(&self, other: &Self) -> i128 {
        i128::from(self.votes) * (2 * i128::from(other.seats) + 1)
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_quotient = self.weighed_by(other).cmp(&other.weighed_by(self));
        by_quotient.then(other.seats.cmp(&self.seats)).then(other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `check("m1:3 m2:2", 5, "", [3, 2])`: votes, seats, UID of the object, expected seats.
    #[track_caller]
    fn check<const N: usize>(votes: &str, seats: i64, uid: &str, expected: [i64; N]) {
        let parties: Vec<Party<'_>> = votes
            .split(' ')
            .map(|party| party.split_once(':').expect("name:votes"))
            .map(|(name, votes)| Party { name, votes: votes.parse().expect("votes") })
            .collect();
        assert_eq!(dispense(seats, &parties, Ties::of_uid(uid)), expected, "{votes}, {seats} seats");
    }

    #[test]
    fn seats_follow_votes() {
        check("m1:3 m2:2 m3:1", 12, "", [6, 4, 2]);
        check("m1:3 m2:2 m3:1", 13, "", [7, 4, 2]);
        check("m1:3 m2:2 m3:1", 14, "", [7, 5, 2]);
        check("a:1 b:2", 9, "", [3, 6]);
        check("a:1 b:3", 9, "", [2, 7]);
        check("a:1200 b:900 c:400", 4, "", [2, 1, 1]);
    }

    #[test]
    fn ties_go_by_name_and_the_direction_by_uid() {
        check("a:1 b:1", 3, "", [2, 1]);
        check("a:1 b:1", 3, "a", [2, 1]);
        check("a:1 b:1", 3, "b", [1, 2]);
        check("b:1 a:1", 3, "", [1, 2]);
    }

    #[test]
    fn among_equal_quotients_the_fewer_seats_win() {
        check("a:2 b:1 c:1 d:1", 7, "", [3, 2, 1, 1]);
        check("a:2 b:1 c:1 d:1", 8, "", [3, 2, 2, 1]);
        check("a:2 b:1 c:1 d:1", 9, "", [3, 2, 2, 2]);
        check("a:3 b:1", 2, "", [1, 1]);
    }

    #[test]
    fn without_votes_there_are_no_seats() {
        check("a:0 b:0", 5, "", [0, 0]);
        check("a:0 b:1 c:-4", 5, "", [0, 5, 0]);
        assert_eq!(dispense(5, &[], Ties::Ascending), Vec::<i64>::new());
        check("a:1", -3, "", [0]);
    }

    #[test]
    fn dealing_in_bulk_is_dealing_one_by_one() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..2_000 {
            let names: Vec<String> = (0..=random(6)).map(|index| format!("m{index}")).collect();
            let party = |name| Party { name, votes: random(9) as i64 };
            let parties: Vec<Party<'_>> = names.iter().map(String::as_str).map(party).collect();
            let seats = random(60) as i64;
            let mut single = vec![0; parties.len()];
            let mut queue = queue_of(&parties, &single, Ties::Descending);
            for _ in 0..seats {
                let Some(mut next) = queue.pop() else { break };
                (single[next.party], next.seats) = (next.seats + 1, next.seats + 1);
                queue.push(next);
            }
            assert_eq!(dispense(seats, &parties, Ties::Descending), single, "{parties:?} {seats}");
        }
    }

    #[test]
    fn two_thousand_million_seats_take_no_time() {
        check("a:1 b:2", i64::from(i32::MAX), "", [715_827_882, 1_431_655_765]);
    }
}
