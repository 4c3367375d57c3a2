//! Dealing out seats by votes after Webster (Sainte-Laguë), the way replicas are divided by weights.
//!
//! Knows nothing of clusters: parties have votes and an order. Source: controlplane.md §4.8.

use std::cmp::Ordering;

/// Which of two parties gets a seat when votes and seats are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// The one that comes first.
    Ascending,
    /// The one that comes last.
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

/// Deals `seats` to parties with these votes; a party without votes gets none, and nothing is dealt when nobody has any.
///
/// The time is that of some passes over the parties, however many seats there are: the bulk is dealt by share, and among the next
/// claims of all parties those that get the rest are the greatest.
pub fn dispense(seats: i64, votes: &[i64], ties: Ties) -> Vec<i64> {
    let house = House::new(seats, votes);
    let mut dealt: Vec<i64> = votes.iter().map(|&votes| house.sure_seats(votes)).collect();
    let rest = usize::try_from(seats - dealt.iter().sum::<i64>()).unwrap_or(0);
    let claims = |(party, (&votes, &seats))| house.next_claims(votes, seats).map(move |seats| Claim { votes, seats, party });
    let mut claims: Vec<Claim> = votes.iter().zip(&dealt).enumerate().flat_map(claims).collect();
    if rest < claims.len() {
        claims.select_nth_unstable_by(rest, |one, other| one.before(other, ties));
    }
    claims.iter().take(rest).for_each(|claim| dealt[claim.party] += 1);
    dealt
}

/// How many seats there are for how many votes.
struct House {
    seats: i128,
    parties: i128,
    votes: i128,
}

impl House {
    fn new(seats: i64, votes: &[i64]) -> Self {
        let voting = votes.iter().filter(|&&votes| votes > 0);
        let (parties, votes) = voting.fold((0, 0), |(parties, sum), &votes| (parties + 1, sum + i128::from(votes)));
        Self { seats: seats.max(0).into(), parties, votes }
    }

    /// The seats of a party whose quotients are at least `all votes / (2 seats - parties)`: they are the first to be dealt. Rounding adds
    /// half a seat to each party at most, so there are enough.
    fn sure_seats(&self, votes: i64) -> i64 {
        let doubled = 2 * self.seats - self.parties;
        if votes <= 0 || doubled <= 0 {
            return 0;
        }
        let share = (i128::from(votes) * doubled + self.votes) / (2 * self.votes);
        i64::try_from(share).expect("a share is at most all the seats")
    }

    /// How many seats a party has when it claims one more, for all claims whose quotient is at least `all votes / (2 seats + parties)`.
    /// Rounding takes half a seat from each party at most, so the seats that are left go to some of these claims. All parties together have
    /// no more than twice as many of them as there are parties.
    fn next_claims(&self, votes: i64, sure: i64) -> impl Iterator<Item = i64> {
        let reach = i128::from(votes) * (2 * self.seats + self.parties);
        (sure..).take_while(move |&seats| votes > 0 && divisor(seats) * self.votes <= reach)
    }
}

/// What votes are divided by for a party that has so many seats.
fn divisor(seats: i64) -> i128 {
    2 * i128::from(seats) + 1
}

/// A party's claim to one more seat than it has.
struct Claim {
    votes: i64,
    seats: i64,
    party: usize,
}

impl Claim {
    /// First is the greater quotient, then the fewer seats, then the party that ties go to. Compared as whole numbers, so that equal
    /// quotients are equal.
    fn before(&self, other: &Self, ties: Ties) -> Ordering {
        let weight = |one: &Self, other: &Self| i128::from(one.votes) * divisor(other.seats);
        let by_quotient = weight(other, self).cmp(&weight(self, other));
        let by_order = match ties {
            Ties::Ascending => self.party.cmp(&other.party),
            Ties::Descending => other.party.cmp(&self.party),
        };
        by_quotient.then(self.seats.cmp(&other.seats)).then(by_order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `check("3 2", 5, "", [3, 2])`: votes, seats, UID of the object, expected seats.
    #[track_caller]
    fn check<const N: usize>(votes: &str, seats: i64, uid: &str, expected: [i64; N]) {
        let parties: Vec<i64> = votes.split(' ').map(|votes| votes.parse().expect("votes")).collect();
        assert_eq!(dispense(seats, &parties, Ties::of_uid(uid)), expected, "{votes}, {seats} seats");
    }

    #[test]
    fn seats_follow_votes() {
        check("3 2 1", 12, "", [6, 4, 2]);
        check("3 2 1", 13, "", [7, 4, 2]);
        check("3 2 1", 14, "", [7, 5, 2]);
        check("1 2", 9, "", [3, 6]);
        check("1 3", 9, "", [2, 7]);
        check("1200 900 400", 4, "", [2, 1, 1]);
    }

    #[test]
    fn ties_go_by_order_and_the_direction_by_uid() {
        check("1 1", 3, "", [2, 1]);
        check("1 1", 3, "a", [2, 1]);
        check("1 1", 3, "b", [1, 2]);
    }

    #[test]
    fn among_equal_quotients_the_fewer_seats_win() {
        check("2 1 1 1", 7, "", [3, 2, 1, 1]);
        check("2 1 1 1", 8, "", [3, 2, 2, 1]);
        check("2 1 1 1", 9, "", [3, 2, 2, 2]);
        check("3 1", 2, "", [1, 1]);
    }

    #[test]
    fn without_votes_there_are_no_seats() {
        check("0 0", 5, "", [0, 0]);
        check("0 1 -4", 5, "", [0, 5, 0]);
        assert_eq!(dispense(5, &[], Ties::Ascending), Vec::<i64>::new());
        check("1", -3, "", [0]);
    }

    #[test]
    fn dealing_in_bulk_is_dealing_one_by_one() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..2_000 {
            let votes: Vec<i64> = (0..=random(6)).map(|_| (random(9) << random(20)) as i64).collect();
            let seats = random(60) as i64;
            for ties in [Ties::Ascending, Ties::Descending] {
                assert_eq!(dispense(seats, &votes, ties), dispense_one_by_one(seats, &votes, ties), "{votes:?}, {seats} seats, {ties:?}");
            }
        }
    }

    fn dispense_one_by_one(seats: i64, votes: &[i64], ties: Ties) -> Vec<i64> {
        let mut dealt = vec![0; votes.len()];
        for _ in 0..seats {
            let claims = votes.iter().zip(&dealt).enumerate().filter(|(_, (votes, _))| **votes > 0);
            let claims = claims.map(|(party, (&votes, &seats))| Claim { votes, seats, party });
            let Some(first) = claims.min_by(|one, other| one.before(other, ties)) else { break };
            dealt[first.party] += 1;
        }
        dealt
    }

    #[test]
    fn two_thousand_million_seats_take_no_time() {
        check("1 2", i64::from(i32::MAX), "", [715_827_882, 1_431_655_765]);
    }
}
