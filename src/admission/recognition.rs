//! Who of those whom the workspace has is meant by a User that arrives: a pure decision over what was
//! found. A name or an address alone never opens a member who is in: an admin said so, or the domain
//! is proved and its admins want it.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::ids::MemberId;
use crate::store::candidates::{self, Candidate};
use crate::store::members::Status;
use crate::store::tx::Tx;
use crate::store::users::Place;

/// Who somebody is who arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognized {
    /// Nobody whom the workspace has.
    Nobody,
    /// One who is expected and has not come in yet.
    Expected {
        /// Who.
        member: MemberId,
        /// Whether more than an address that nobody proved says so.
        is_proved: bool,
    },
    /// A member of another way, to whom the User may be linked.
    Adopted(MemberId),
    /// A member of another way, to whom it may not; or one of several who are expected.
    Other(MemberId),
}

/// What was allowed beforehand in a directory.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// The domains in which a User links to whom the workspace has, as the DNS has them.
    domains: BTreeSet<String>,
}

impl Allowed {
    /// What is allowed now in a workspace.
    pub async fn current(tx: &mut Tx, place: Place) -> Result<Self> {
        let domains = candidates::list_adopting(tx, place.workspace).await?;
        Ok(Self {
            domains: domains.into_iter().collect(),
        })
    }

    /// Whether a folded address is in one of the domains.
    fn covers(&self, key: &str) -> bool {
        if self.domains.is_empty() {
            return false;
        }
        let Some((_, domain)) = key.rsplit_once('@') else {
            return false;
        };
        match url::Host::parse(domain) {
            Ok(url::Host::Domain(domain)) => self.domains.contains(&domain),
            _ => false,
        }
    }
}

/// Who is meant, of those who were found by name or address; `adopted` is whom an admin allowed for
/// that userName.
pub fn recognize(found: &[Candidate], adopted: Option<MemberId>, allowed: &Allowed) -> Recognized {
    if let Some(named) = found.iter().find(|it| it.is_named) {
        let is_allowed = adopted == Some(named.member) || allowed.covers(&named.key);
        // One of the same directory is another person there, whatever is allowed.
        return if is_allowed && !named.is_linked {
            Recognized::Adopted(named.member)
        } else {
            Recognized::Other(named.member)
        };
    }
    let is_expected =
        |it: &Candidate| !it.is_linked && matches!(it.status, Status::Draft | Status::Invited);
    let of = |member: MemberId| found.iter().filter(move |it| it.member == member);
    let expected: BTreeSet<MemberId> = found
        .iter()
        .filter(|it| is_expected(it))
        .map(|it| it.member)
        .collect();
    let chosen = adopted.filter(|member| of(*member).any(|it| !it.is_linked));
    if let Some(member) = chosen {
        return if expected.contains(&member) {
            let is_proved = true;
            Recognized::Expected { member, is_proved }
        } else {
            Recognized::Adopted(member)
        };
    }
    let mut others = expected.iter().copied();
    match (others.next(), others.next()) {
        (Some(member), None) => {
            let is_proved = of(member).any(|it| allowed.covers(&it.key));
            return Recognized::Expected { member, is_proved };
        }
        (Some(first), Some(_)) => return Recognized::Other(first),
        (None, _) => {}
    }
    let in_domain: BTreeSet<MemberId> = found
        .iter()
        .filter(|it| !it.is_linked && allowed.covers(&it.key))
        .map(|it| it.member)
        .collect();
    let mut others = in_domain.into_iter();
    match (others.next(), others.next()) {
        (Some(member), None) => Recognized::Adopted(member),
        // Two people may share an address that nobody proved.
        _ => Recognized::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Recognized, recognize};
    use crate::ids::MemberId;
    use crate::store::candidates::Candidate;
    use crate::store::members::Status;

    fn found(key: &str, member: MemberId, status: Status) -> Candidate {
        Candidate {
            key: key.to_owned(),
            member,
            status,
            takes_none: false,
            is_named: false,
            is_linked: false,
        }
    }

    fn named(key: &str, member: MemberId) -> Candidate {
        Candidate {
            is_named: true,
            ..found(key, member, Status::Active)
        }
    }

    fn allowed() -> Allowed {
        Allowed {
            domains: ["acme.example", "xn--bcher-kva.example"]
                .map(str::to_owned)
                .into(),
        }
    }

    #[test]
    fn a_name_opens_nobody_by_itself() {
        let (ada, none) = (MemberId::new(), Allowed::default());
        let by_name = [named("ada@acme.example", ada)];
        assert_eq!(recognize(&[], None, &none), Recognized::Nobody);
        assert_eq!(recognize(&by_name, None, &none), Recognized::Other(ada));
        let somebody = Some(MemberId::new());
        assert_eq!(recognize(&by_name, somebody, &none), Recognized::Other(ada));
        let adopted = Recognized::Adopted(ada);
        assert_eq!(recognize(&by_name, Some(ada), &none), adopted);
        assert_eq!(recognize(&by_name, None, &allowed()), adopted);
        let linked = [Candidate {
            is_linked: true,
            ..named("ada@acme.example", ada)
        }];
        let refused = Recognized::Other(ada);
        assert_eq!(recognize(&linked, Some(ada), &allowed()), refused);
    }

    #[test]
    fn a_domain_covers_its_own_addresses_alone() {
        for (key, is_covered) in [
            ("ada@acme.example", true),
            ("ada@ACME.example", true),
            ("ada@b\u{fc}cher.example", true),
            ("ada@sub.acme.example", false),
            ("ada@acme.example.evil.example", false),
            ("acme.example", false),
            ("ada@evil.example@acme.example", true),
            ("ada@", false),
        ] {
            assert_eq!(allowed().covers(key), is_covered, "{key}");
        }
    }

    #[test]
    fn one_who_is_expected_is_found_by_the_address() {
        let (ada, bob, none) = (MemberId::new(), MemberId::new(), Allowed::default());
        let one = [found("ada@else.example", ada, Status::Invited)];
        let expected = |is_proved| Recognized::Expected {
            member: ada,
            is_proved,
        };
        assert_eq!(recognize(&one, None, &allowed()), expected(false));
        let own = [found("ada@acme.example", ada, Status::Draft)];
        assert_eq!(recognize(&own, None, &allowed()), expected(true));
        assert_eq!(recognize(&one, Some(ada), &none), expected(true));
        let two = [
            found("ada@acme.example", ada, Status::Draft),
            found("a@acme.example", bob, Status::Draft),
        ];
        assert_eq!(recognize(&two, None, &allowed()), Recognized::Other(ada));
        assert_eq!(recognize(&two, Some(ada), &none), expected(true));
    }

    #[test]
    fn an_address_of_one_who_is_in_counts_in_a_domain_that_adopts() {
        let (ada, bob, none) = (MemberId::new(), MemberId::new(), Allowed::default());
        let one = [found("ada@acme.example", ada, Status::Active)];
        assert_eq!(recognize(&one, None, &none), Recognized::Nobody);
        assert_eq!(recognize(&one, None, &allowed()), Recognized::Adopted(ada));
        let two = [
            found("info@acme.example", ada, Status::Active),
            found("info@acme.example", bob, Status::Active),
        ];
        assert_eq!(recognize(&two, None, &allowed()), Recognized::Nobody);
    }
}
