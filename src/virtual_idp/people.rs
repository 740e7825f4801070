//! Invented companies: the same people and groups for the same seed, on every machine.
//!
//! The names are diverse on purpose: many are not ASCII, some share a spelling once accents are
//! gone, so that user names need a number. Nothing here talks to a server.

use std::collections::HashMap;

use super::names::{DEPARTMENTS, FAMILY, GIVEN, TITLES};

/// A company as its identity provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Everybody who is assigned to the app.
    pub people: Vec<Person>,
    /// The groups that are pushed.
    pub groups: Vec<Group>,
}

/// One employee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Given name, as its bearer writes it.
    pub given: String,
    /// Family name, as its bearer writes it.
    pub family: String,
    /// The login name, an ASCII address.
    pub user_name: String,
    /// The work address.
    pub email: String,
    /// The object id, a GUID; [`super::Dialect::external_id`] says what goes on the wire.
    pub external_id: String,
    /// The job.
    pub title: String,
    /// The department.
    pub department: String,
}

/// One group and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The display name.
    pub name: String,
    /// The object id, a GUID.
    pub external_id: String,
    /// Positions in [`Company::people`].
    pub members: Vec<usize>,
}

impl Company {
    /// Draws people into named groups: each is in the group of their department, and every
    /// third in one more.
    #[must_use]
    pub fn generate(people: usize, groups: &[&str], domain: &str, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut groups: Vec<Group> = groups.iter().map(|name| group(name, &mut dice)).collect();
        let mut people = draw(people, domain, &mut dice);
        for (index, person) in people.iter_mut().enumerate() {
            if groups.is_empty() {
                break;
            }
            let first = dice.below(groups.len());
            person.department.clone_from(&groups[first].name);
            groups[first].members.push(index);
            if index % 3 == 0 && groups.len() > 1 {
                let second = (first + 1 + dice.below(groups.len() - 1)) % groups.len();
                groups[second].members.push(index);
            }
        }
        Self { people, groups }
    }

    /// Draws people and numbered groups (`Group 0001`) of one size, which is what a
    /// measurement needs: as many membership changes on every run.
    #[must_use]
    pub fn generate_numbered(
        people: usize,
        groups: usize,
        members_each: usize,
        domain: &str,
        seed: u64,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let drawn = draw(people, domain, &mut dice);
        let members_each = members_each.min(people);
        let groups = (0..groups)
            .map(|index| Group {
                members: (0..members_each)
                    .map(|member| (index * members_each + member) % people)
                    .collect(),
                ..group(&format!("Group {:04}", index + 1), &mut dice)
            })
            .collect();
        Self {
            people: drawn,
            groups,
        }
    }

    /// How many memberships the groups hold together.
    #[must_use]
    pub fn memberships(&self) -> usize {
        self.groups.iter().map(|group| group.members.len()).sum()
    }
}

impl Person {
    /// The name as one would say it.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

fn group(name: &str, dice: &mut Dice) -> Group {
    Group {
        name: name.to_owned(),
        external_id: dice.guid(),
        members: Vec::new(),
    }
}

fn draw(people: usize, domain: &str, dice: &mut Dice) -> Vec<Person> {
    let mut taken: HashMap<String, u32> = HashMap::with_capacity(people);
    (0..people)
        .map(|_| {
            let (given, given_ascii) = dice.pick(GIVEN);
            let (family, family_ascii) = dice.pick(FAMILY);
            let base = format!("{given_ascii}.{family_ascii}");
            let seen = taken.entry(base.clone()).or_default();
            *seen += 1;
            let user_name = match *seen {
                1 => format!("{base}@{domain}"),
                number => format!("{base}{number}@{domain}"),
            };
            Person {
                given: given.to_owned(),
                family: family.to_owned(),
                email: user_name.clone(),
                user_name,
                external_id: dice.guid(),
                title: dice.pick(TITLES).to_owned(),
                department: dice.pick(DEPARTMENTS).to_owned(),
            }
        })
        .collect()
}

/// A linear congruential generator (Knuth's MMIX constants): repeatable, and not for secrets.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x9E37_79B9_7F4A_7C15);
        dice.next();
        dice
    }

    /// The upper half of the state; the lower bits of such a generator repeat soon.
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn guid(&mut self) -> String {
        let (a, b, c, d) = (self.next(), self.next(), self.next(), self.next());
        format!(
            "{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}",
            b >> 16,
            b & 0xFFF,
            0x8000 | (c >> 16 & 0x3FFF),
            c & 0xFFFF,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_one_company() {
        let first = Company::generate(50, &["Engineering", "Sales"], "acme.example", 7);
        assert_eq!(
            first,
            Company::generate(50, &["Engineering", "Sales"], "acme.example", 7)
        );
        assert_ne!(
            first,
            Company::generate(50, &["Engineering", "Sales"], "acme.example", 8)
        );
    }

    #[test]
    fn keys_are_unique_and_fit_for_an_address() {
        let company = Company::generate(10_000, &[], "acme.example", 1);
        let names: HashSet<_> = company.people.iter().map(|p| &p.user_name).collect();
        let ids: HashSet<_> = company.people.iter().map(|p| &p.external_id).collect();
        assert_eq!((names.len(), ids.len()), (10_000, 10_000));
        for person in &company.people {
            let (local, domain) = person.user_name.split_once('@').unwrap();
            assert_eq!(domain, "acme.example");
            assert!(
                local
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c)),
                "{local}",
            );
            assert!(
                person.external_id.parse::<uuid::Uuid>().is_ok(),
                "{}",
                person.external_id
            );
        }
    }

    #[test]
    fn many_names_are_not_ascii() {
        let company = Company::generate(300, &[], "acme.example", 1);
        let foreign = company
            .people
            .iter()
            .filter(|p| !p.display_name().is_ascii())
            .count();
        assert!((90..=240).contains(&foreign), "{foreign} of 300");
    }

    #[test]
    fn everybody_is_in_the_group_of_their_department() {
        let company = Company::generate(90, &["Engineering", "Sales", "Support"], "a.example", 3);
        assert_eq!(company.memberships(), 90 + 30);
        for (index, person) in company.people.iter().enumerate() {
            let own = company
                .groups
                .iter()
                .find(|g| g.name == person.department)
                .unwrap();
            assert!(own.members.contains(&index));
        }
        for group in &company.groups {
            assert_eq!(
                group.members.iter().collect::<HashSet<_>>().len(),
                group.members.len()
            );
        }
    }

    #[test]
    fn numbered_groups_have_one_size() {
        let company = Company::generate_numbered(30, 4, 12, "a.example", 3);
        let names: Vec<_> = company.groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(
            names,
            ["Group 0001", "Group 0002", "Group 0003", "Group 0004"]
        );
        assert!(company.groups.iter().all(|g| g.members.len() == 12));
        assert_eq!(
            company.groups[2].members[..8],
            [24, 25, 26, 27, 28, 29, 0, 1]
        );
    }
}
